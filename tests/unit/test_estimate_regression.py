"""The regression behind `estimate`: coefficients of each core, unseen operators, and the committed counts."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from benchmarks.estimate.__main__ import COUNTS, QUANTITIES, cross_validated, fitted, measured_programs

from edgewright.core.errors import UnknownNameError
from edgewright.core.records.footprint import Program
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import coefficients, core_of, program_footprint, unsupported_reason

PROFILE = load_profile("cortex-m4")


def program(**work: float) -> Program:
    counts = {name.replace("_", " "): value for name, value in work.items()}
    return Program(name="p", constants=5_000, values=300, written={"lines": 30.0}, run=counts)


def test_every_core_has_coefficients_and_errors() -> None:
    assert set(coefficients()) == set(msgspec.json.decode(COUNTS.read_bytes())["cores"])
    for core in coefficients().values():
        assert core.subjects > 200
        assert min(*core.code.values(), *core.stack.values(), *core.instructions.values()) >= 0
        assert set(core.errors) == {"int8", "float"}
        assert all(1 < error < 4 for errors in core.errors.values() for error in errors.values())
    with pytest.raises(UnknownNameError):
        core_of("cortex-m1")


def test_tables_and_memory_are_exact_and_work_is_monotonous() -> None:
    small, large = (
        program_footprint(PROFILE, program(Gemm_node=1.0, Gemm_output=n), form="float") for n in (10.0, 1e4)
    )
    assert small.flash.low >= 5_000 and small.ram.low >= 300
    assert small.instructions is not None and large.instructions is not None
    assert small.instructions.value < large.instructions.value
    for spread in (small.flash, small.ram, small.instructions):
        assert spread.low <= spread.value <= spread.high


def test_an_unseen_operator_widens_the_interval_and_unseen_products_are_unknown() -> None:
    known = program_footprint(PROFILE, program(Gemm_node=1.0, Gemm_output=1e4), form="float").instructions
    unseen = program_footprint(PROFILE, program(Bogus_node=1.0, Bogus_output=1e4), form="float").instructions
    assert known is not None and unseen is not None
    assert unseen.high / unseen.value == pytest.approx(2 * known.high / known.value)
    assert "Bogus" in unseen.source
    products = program(Bogus_node=1.0, Bogus_mac=1e4)
    assert "Bogus" in unsupported_reason(core_of("cortex-m4"), products)
    footprint = program_footprint(PROFILE, products, form="float")
    assert footprint.instructions is None and footprint.flash.how == "at least"
    assert "10 times" in unsupported_reason(core_of("cortex-m4"), program(Gemm_output=1e12))


@pytest.mark.slow
def test_the_shipped_coefficients_are_those_of_the_committed_counts() -> None:
    table, _ = fitted("cortex-m33", coefficients()["cortex-m33"].made_with)
    assert table == coefficients()["cortex-m33"]
    programs = measured_programs("cortex-m33")
    limits = {"flash": 0.05, "ram": 0.05, "instructions": 0.25}
    for quantity in QUANTITIES:
        estimates, measured = cross_validated(programs, quantity)
        exact = np.array([one.exact[quantity] for one in programs])
        assert np.median(np.abs(estimates - measured) / (exact + measured)) < limits[quantity]
