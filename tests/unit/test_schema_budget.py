"""Budgets as people write them."""

from __future__ import annotations

import pytest

from edgewright.core.errors import EdgewrightError
from edgewright.core.records.footprint import Budget, parse_amount, parse_budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("flash=64kB,ram=16KiB,latency=10ms", Budget(flash=64_000, ram=16_384, latency_us=10_000.0)),
        (" flash = 1.5 MB , energy=250uJ", Budget(flash=1_500_000, energy_uj=250.0)),
        ("latency=0.5s", Budget(latency_us=500_000.0)),
        ("latency=70us,energy=2mJ,", Budget(latency_us=70.0, energy_uj=2_000.0)),
        ("ram=512B", Budget(ram=512)),
    ],
)
def test_units(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "limits such as flash=64kB"),
        ("flash", "got 'flash'"),
        ("flash=64", "one of the units B, kB"),
        ("flash=64ms", "got 'ms'"),
        ("flash=many", "a number and one of"),
        ("flash=-1kB", "a number and one of"),
        ("ram=0kB", "an amount above zero"),
        ("flash=1kB,flash=2kB", "one limit for flash"),
        ("flsh=1kB", "Did you mean 'flash'"),
        ("latency=1e999s", "an amount above zero"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(EdgewrightError, match=message):
        parse_budget(text)


def test_one_amount() -> None:
    assert parse_amount("latency", "8ms", "--measured") == 8_000.0
    with pytest.raises(EdgewrightError, match="quantity"):
        parse_amount("speed", "8ms", "--measured")
