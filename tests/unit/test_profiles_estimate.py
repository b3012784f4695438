"""Estimates against a profile: formula, error bars, what fits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.estimate import MICRO_CODE, estimate
from edgewright.schema.trace import BudgetRow, DeviceRecord


def row(record: DeviceRecord, name: str) -> BudgetRow:
    return next(r for r in record.rows if r.name == name)


def test_formula_on_a_microcontroller() -> None:
    profile = load_profile("cortex-m4")
    record = estimate(
        profile, weight_bytes=5_452, activation_bytes=128, preprocessing_bytes=80, macs_float=20, macs_int8=4_928
    )
    assert row(record, "flash").used == 5_452 + 80 + MICRO_CODE.value
    cycles = 20 * profile.macs_float.value + 4_928 * profile.macs_int8.value + profile.overhead.value
    assert row(record, "latency").used == pytest.approx(cycles / 168.0)
    assert record.fits
    assert row(record, "latency").available == 0


def test_measured_kernels_lie_within_the_error_bar() -> None:
    """Instructions measured under emulation for vendor kernels: 16,698 and 580 thousand, at 168 MHz."""
    profile = load_profile("cortex-m4")
    for macs, instructions in ((4_928, 16_698), (264_000, 580_000)):
        latency = row(estimate(profile, weight_bytes=0, activation_bytes=0, macs_int8=macs), "latency")
        assert latency.low <= instructions / 168 <= latency.high


def test_a_model_too_large_does_not_fit() -> None:
    record = estimate(load_profile("cortex-m4"), weight_bytes=2_000_000, activation_bytes=500_000)
    assert not record.fits
    assert row(record, "flash").used > row(record, "flash").available


def test_an_error_bar_beyond_the_budget_is_noted() -> None:
    record = estimate(load_profile("cortex-m4"), weight_bytes=1_030_000, activation_bytes=100)
    assert record.fits
    assert "flash may exceed its budget: the error bar reaches beyond it" in record.notes


def test_measured_latency_takes_the_place_of_the_estimate() -> None:
    record = estimate(load_profile("x86-64"), weight_bytes=1, activation_bytes=1, measured_latency_us=4.2)
    assert row(record, "latency") == BudgetRow(
        name="latency", used=4.2, low=4.2, high=4.2, available=0.0, unit="us", how="measured"
    )


def test_deadline_is_a_budget() -> None:
    record = estimate(
        load_profile("cortex-m4"), weight_bytes=1, activation_bytes=1, macs_float=1_000_000, deadline_us=10.0
    )
    assert not record.fits


def test_package_is_measured() -> None:
    record = estimate(load_profile("phone-arm64"), weight_bytes=1, activation_bytes=1, package_bytes=2_000_001)
    assert row(record, "package").how == "measured"
    assert not record.fits


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["cortex-m4", "phone-arm64", "x86-64"]), *[st.integers(0, 10**9)] * 4)
def test_bars_hold_the_figure(name: str, weights: int, activations: int, floats: int, ints: int) -> None:
    record = estimate(
        load_profile(name), weight_bytes=weights, activation_bytes=activations, macs_float=floats, macs_int8=ints
    )
    assert all(r.low <= r.used <= r.high for r in record.rows)
    assert record.fits == all(r.used <= r.available for r in record.rows if r.available > 0)
