"""Estimates of networks with LSTM and GRU layers before anything is compiled."""

from __future__ import annotations

import re

import numpy as np
import pytest
from benchmarks.estimate.recurrent import OWN, recurrent_held_out, recurrent_networks
from benchmarks.estimate.subjects import Subject

from edgewright.export.emulator import board
from edgewright.profiles import cores
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import RECURRENT, population_of, strange
from edgewright.profiles.misses import shipped
from support import left_out

CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m0plus", "riscv32", "riscv32v")
DESIGNS = {subject.name: subject for subject in recurrent_held_out()}


@pytest.mark.parametrize(
    ("name", "gates", "channels", "units", "samples"),
    [("lstm of 16", 4, 6, 16, 30), ("gru of 28, long", 3, 3, 28, 100)],
)
def test_work_at_every_sample_is_counted(name: str, gates: int, channels: int, units: int, samples: int) -> None:
    kind = name.partition(" ")[0]
    small, whole = (DESIGNS[f"{name} {form}"].before("cortex-m4").run for form in ("int8", "float"))
    assert small[f"{kind} t.j"] == samples * units
    # A pair is two products of every gate: of the input, then of the state.
    pairs = {key: count for key, count in small.items() if re.match(r"dots\d(_wide)? (pair|odd)", key)}
    assert sum(count * (2 if key.endswith("pair") else 1) for key, count in pairs.items()) == samples * units * (
        channels + units
    )
    assert whole[f"own {kind} tap"] == gates * units * channels * samples
    assert whole[f"own {kind} mac"] == gates * units * units * samples


def test_a_network_without_calibration_is_counted_as_it_is_compiled() -> None:
    for subject in recurrent_networks(8, 3):
        estimated, compiled = subject.before("cortex-m4"), subject.exactly("cortex-m4")
        assert (estimated.run, estimated.written) == (compiled.run, compiled.written)
        assert (estimated.constants, estimated.values) == (compiled.constants, compiled.values)


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("core", CORES)
def test_estimates_know_layers_with_a_state(core: str, every: int) -> None:
    """Each core has other designs than the one before it: all are seen, int8 and float."""
    profile, table = load_profile(core), cores.core(core)
    for name, subject in list(DESIGNS.items())[CORES.index(core) % every :: every]:
        program = subject.before(core)
        assert not strange(table, program), name
        assert population_of(profile, program).kind == f"{core} {RECURRENT}"
        estimate = subject.estimate(profile)
        assert estimate.latency_us is not None
        assert "past estimates of a" in estimate.flash.source
    assert not {kind for kind in table.code if OWN.match(kind)} - set(table.stack)
    assert len([miss for miss in shipped() if miss.kind == f"{core} {RECURRENT}"]) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm of 16 int8", "gru and dense int8", "convolution and lstm float"])
def test_estimates_are_near_what_is_compiled_and_counted(name: str) -> None:
    if missing := board("cortex-m4").tools.missing:
        left_out(", ".join(missing))
    subject: Subject = DESIGNS[name]
    estimate, truth = subject.estimate(load_profile("cortex-m4")), subject.truth("cortex-m4")
    assert estimate.instructions is not None
    pairs = (
        (estimate.flash.value, truth.flash),
        (estimate.ram.value, truth.ram),
        (estimate.instructions.value, truth.instructions),
    )
    for estimated, true in pairs:
        assert np.isclose(estimated, true, rtol=0.08)
