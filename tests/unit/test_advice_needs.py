"""What --need and --price take and refuse, and what Markdown makes of odd names."""

from __future__ import annotations

import pytest

from edgewright.advice.figures import KNOWN, parse_needs, parse_prices
from edgewright.core.errors import InputError
from edgewright.trace.blocks.records import Grid, Heading, Paragraph, written


def test_needs_in_their_units() -> None:
    limits = {need.name: need.limit for need in parse_needs(
        "latency=5ms, offline, privacy, battery=1y, bandwidth=1MB/day, price=12USD/y, flash=64kB, ram=16KiB, score=95%"
    )}  # fmt: skip
    assert tuple(sorted(limits)) == KNOWN
    assert limits["latency"] == pytest.approx(0.005)
    assert (limits["battery"], limits["bandwidth"]) == (365.25, 1e6)
    assert (limits["price"], limits["flash"], limits["ram"]) == (12.0, 64_000.0, 16_384.0)
    assert limits["score"] == pytest.approx(0.95)
    assert (limits["offline"], limits["privacy"]) == (None, None)
    assert parse_needs("bandwidth=2kB/h,price=1USD/month")[0].limit == 48_000.0
    assert parse_needs("") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("offlin", "Known: bandwidth, battery, flash, latency, offline, price, privacy, ram, score. Did you mean 'off"),
        ("latency", "expected latency=5ms"),
        ("latency=5", "one of the units us"),
        ("latency=soon", "an amount such as 5ms"),
        ("latency=0ms", "an amount above zero"),
        ("offline=yes", "expected offline alone"),
        ("battery=1y,battery=2y", "one battery, got two"),
        ("bandwidth=1MB", "one of the units B/day"),
    ],
)
def test_what_is_no_need(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_needs(text)


def test_figures_that_are_set() -> None:
    prices = parse_prices("bandwidth=0.5, cell=1Wh, radio_bit=100nJ/bit, internet=20ms", "ble")
    assert prices == pytest.approx({"bandwidth": 0.5, "cell": 3600.0, "radio_bit": 1e-7, "internet": 0.02})
    for text, message in (("cell", "figures such as"), ("cel=1", "Did you mean 'cell'"),
                       ("cell=1kg", "a number above zero in J"), ("cell=0J", "above zero"),
                       ("cell=1,cell=2", "one cell, got two"), ("radio_most=1", "no figure 'radio_most'")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            parse_prices(text, "ble")


def test_markdown_shows_what_columns_are_called() -> None:
    paragraph = Paragraph(text="1. a|b_c <b>`x`</b>\n# no heading")
    grid = Grid(headers=("a|b", "n"), rows=(("- c", "1"),), figures=(1,), caption="> said")
    assert written(paragraph) == ["1\\. a\\|b\\_c \\<b>\\`x\\`\\</b> # no heading"]
    assert written(Paragraph(text="# no heading")) == ["\\# no heading"]
    assert written(Heading(text="1. Frame")) == ["### 1. Frame"]
    assert written(grid) == ["| a\\|b | n |", "|---|--:|", "| - c | 1 |", "", "\\> said"]
