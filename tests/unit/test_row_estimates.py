"""Estimates of trees, rules and boosting on cores whose library works floats out, before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from benchmarks.estimate.simple import held_out_row_programs
from benchmarks.estimate.subjects import Subject, row_subjects

from edgewright.export.emulator import board
from edgewright.profiles import cores
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import ROWS, population_of, table_of
from edgewright.profiles.misses import shipped
from support import left_out

CORES = ("cortex-m0plus", "riscv32", "riscv32v")
# Counted on the emulator: instructions of a program that no coefficient was fitted on.
COUNTED: Mapping[str, Mapping[str, int]] = {
    "cortex-m0plus": {"tree of corners 0": 2416, "rules of corners 0": 19167, "boosting of corners 0": 59197,
                      "forest of corners 0": 36291},
}  # fmt: skip


@pytest.fixture(scope="module")
def programs() -> list[Subject]:
    """Return a program of each kind, of data that no coefficient was fitted on."""
    return [subject for subject, _ in zip(held_out_row_programs(), range(4), strict=False)]


@pytest.mark.parametrize("core", CORES)
def test_programs_on_rows_have_coefficients_and_a_past_of_their_own(core: str, programs: list[Subject]) -> None:
    profile, table = load_profile(core), cores.rows(core)
    assert table is not None
    for subject in programs:
        program = subject.before(core)
        assert table_of(core, program) is table
        assert population_of(profile, program).kind == f"{core} {ROWS}"
        assert subject.estimate(profile).instructions is not None
    assert len([miss for miss in shipped() if miss.kind == f"{core} {ROWS}"]) >= 3 * 50


@pytest.mark.parametrize("core", CORES)
def test_float_networks_and_cores_with_floats_keep_their_coefficients(core: str, programs: list[Subject]) -> None:
    assert cores.rows("cortex-m4") is None
    assert table_of("cortex-m4", programs[0].before("cortex-m4")) is cores.core("cortex-m4")
    networks = [one for one in row_subjects(24, 5) if one.before(core).run.get("call dense", 0.0) > 1]
    for network in networks:
        assert table_of(core, network.before(core)) is cores.core(core)


@pytest.mark.parametrize("core", COUNTED)
def test_instructions_are_no_longer_low(core: str, programs: list[Subject]) -> None:
    """They were by 37 % for this tree, 58 % for boosting and 47 % for this forest."""
    for subject in programs:
        counted, estimate = COUNTED[core][subject.name], subject.estimate(load_profile(core)).instructions
        assert estimate is not None
        assert np.isclose(estimate.value, counted, rtol=0.3), subject.name
        assert estimate.low <= counted <= estimate.high


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
def test_bars_hold_what_is_compiled_and_counted(core: str, programs: list[Subject]) -> None:
    if missing := board(core).tools.missing:
        left_out(", ".join(missing))
    for subject in programs:
        estimate, truth = subject.estimate(load_profile(core)), subject.truth(core)
        assert estimate.instructions is not None
        for spread, true in ((estimate.flash, truth.flash), (estimate.ram, truth.ram),
                             (estimate.instructions, truth.instructions)):  # fmt: skip
            assert spread.low <= true <= spread.high, (subject.name, spread)
