"""The rows of a record: a footprint against the budgets of a profile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.estimate import estimate
from edgewright.profiles.footprint import MICRO_CODE, SYSTEM_CODE, Load, on_system
from edgewright.schema.footprint import Footprint, Spread
from edgewright.schema.trace import BudgetRow, DeviceRecord


def row(record: DeviceRecord, name: str) -> BudgetRow:
    return next(r for r in record.rows if r.name == name)


def system(name: str, weights: int = 1, values: int = 1, floats: int = 0, ints: int = 0) -> Footprint:
    return on_system(load_profile(name), Load(weights, values, floats, ints), form="int8")


def test_formula_of_an_engine_on_a_system() -> None:
    profile = load_profile("x86-64")
    record = estimate(profile, system("x86-64", 5_452, 128, 20, 4_928))
    assert row(record, "storage").used == 5_452 + SYSTEM_CODE[0]
    cycles = 20 * profile.macs_float.value + 4_928 * profile.macs_int8.value + profile.overhead.value
    assert row(record, "latency").used == pytest.approx(cycles / 3000.0)
    assert record.fits
    assert row(record, "latency").available == 0
    assert any("a multiply-accumulate" in note for note in record.notes)


def test_measured_kernels_lie_within_the_error_bar() -> None:
    """Instructions measured under emulation for vendor kernels: 16,698 and 580 thousand, at 168 MHz."""
    for macs, instructions in ((4_928, 16_698), (264_000, 580_000)):
        latency = row(estimate(load_profile("cortex-m4"), system("cortex-m4", ints=macs)), "latency")
        assert latency.low <= instructions / 168 <= latency.high


def test_a_model_too_large_does_not_fit() -> None:
    record = estimate(load_profile("cortex-m4"), system("cortex-m4", 2_000_000, 500_000))
    assert not record.fits
    assert row(record, "flash").used == 2_000_000 + MICRO_CODE[0] > row(record, "flash").available


def test_an_error_bar_beyond_the_budget_is_noted() -> None:
    record = estimate(load_profile("cortex-m4"), system("cortex-m4", 1_030_000))
    assert record.fits
    assert "flash may exceed its budget: the error bar reaches beyond it" in record.notes


def test_measured_latency_takes_the_place_of_the_estimate() -> None:
    record = estimate(load_profile("x86-64"), system("x86-64"), measured_latency_us=4.2)
    assert row(record, "latency") == BudgetRow(
        name="latency", used=4.2, low=4.2, high=4.2, available=0.0, unit="us", how="measured"
    )
    assert record.notes == ()


def test_deadline_is_a_budget() -> None:
    record = estimate(load_profile("cortex-m4"), system("cortex-m4", floats=1_000_000), deadline_us=10.0)
    assert not record.fits


def test_package_is_measured() -> None:
    record = estimate(load_profile("phone-arm64"), system("phone-arm64"), package_bytes=2_000_001)
    assert row(record, "package").how == "measured"
    assert not record.fits


def test_a_program_tells_how_its_latency_came_about() -> None:
    spread = Spread(value=100.0, low=90.0, high=110.0, unit="B", how="estimated")
    latency = Spread(value=8.0, low=4.0, high=12.0, unit="us", how="modelled", source="1.5 cycles an instruction")
    found = Footprint(
        profile="cortex-m4", form="int8", flash=spread, ram=spread, instructions=spread, latency_us=latency
    )
    record = estimate(load_profile("cortex-m4"), found)
    assert record.notes == ("latency is modelled, unverified on silicon: 1.5 cycles an instruction",)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["cortex-m4", "phone-arm64", "x86-64", "fpga-hls"]), *[st.integers(0, 10**9)] * 4)
def test_bars_hold_the_figure(name: str, weights: int, values: int, floats: int, ints: int) -> None:
    record = estimate(load_profile(name), system(name, weights, values, floats, ints))
    assert all(r.low <= r.used <= r.high for r in record.rows)
    assert record.fits == all(r.used <= r.available for r in record.rows if r.available > 0)
