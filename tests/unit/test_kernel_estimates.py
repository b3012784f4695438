"""Estimates of programs that count patterns in windows, before anything is compiled."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.estimate.kernels import OWN, kernel_programs
from benchmarks.estimate.subjects import Subject

from edgewright.export.emulator import board
from edgewright.profiles import cores
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import KERNELS, population_of, strange
from edgewright.profiles.misses import shipped
from support import left_out

CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m0plus", "riscv32", "riscv32v")


@pytest.fixture(scope="module")
def programs() -> list[Subject]:
    """Return programs that no coefficient was fitted on."""
    return list(kernel_programs(4, 3))


def test_work_of_rows_and_kernels_is_counted(programs: list[Subject]) -> None:
    for subject in programs:
        channels, samples = subject.row.shape
        run = subject.before("cortex-m0plus").run
        weights = [subject.graph.constants[n.inputs[1]] for n in subject.graph.nodes if n.op == "Conv"]
        assert run["kernel"] == sum(map(len, weights))
        assert run["kernel value"] == channels * samples
        assert run["kernel place"] == run["kernel"] * samples
        assert run["kernel row value"] == run["kernel row"] * samples <= run["kernel place"]


@pytest.mark.parametrize("core", CORES)
def test_estimates_know_counts_of_kernels(core: str, programs: list[Subject]) -> None:
    profile, table = load_profile(core), cores.core(core)
    for subject in programs:
        program = subject.before(core)
        assert not strange(table, program), subject.name
        assert population_of(profile, program).kind == f"{core} {KERNELS}"
        estimate = subject.estimate(profile)
        assert estimate.latency_us is not None
        assert "past estimates of a" in estimate.flash.source
    assert not {kind for kind in table.code if OWN.match(kind)} - set(table.stack)
    assert len([miss for miss in shipped() if miss.kind == f"{core} {KERNELS}"]) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_estimates_are_near_what_is_compiled_and_counted(core: str, programs: list[Subject]) -> None:
    if missing := board(core).tools.missing:
        left_out(", ".join(missing))
    for subject in programs:
        estimate, truth = subject.estimate(load_profile(core)), subject.truth(core)
        assert estimate.instructions is not None
        assert np.isclose(estimate.flash.value, truth.flash, rtol=0.06)
        assert np.isclose(estimate.ram.value, truth.ram, rtol=0.06)
        assert np.isclose(estimate.instructions.value, truth.instructions, rtol=0.2)
