"""A comparison over data sizes: powers of cost with intervals, power laws of the error, where curves cross."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

import trace_example as example
from edgewright.core.records.trace import Interval, ScalingPoint, ScalingRecord
from edgewright.core.records.trace_flow import BreakEven
from edgewright.pipeline.config import read_config
from edgewright.pipeline.plan import resolve
from edgewright.pipeline.scaling import break_even, error_law, exponent_intervals, exponents, scaling_s
from edgewright.trace.html import page_html
from edgewright.trace.sections.data import break_even_text, exponent_text, law_rows

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)


def _points(power: float, noise: float, sizes: tuple[int, ...] = SIZES) -> list[ScalingPoint]:
    rng = np.random.default_rng(0)
    return [
        ScalingPoint(
            architecture="small", rows=n, parameters=9, seconds=n**power * float(np.exp(noise * rng.normal())),
            cpu_seconds=1.0, peak_bytes=0, accuracy=0.9, latency_us=5.0,
        )
        for n in sizes
    ]  # fmt: skip


def _right(share: float, seed: int = 0, count: int = 20_000) -> np.ndarray:
    return (np.random.default_rng(seed).random(count) < share).astype(np.float64)


def test_an_exponent_has_an_interval_that_grows_with_the_noise() -> None:
    intervals = exponent_intervals(_points(0.8, 0.1))
    assert set(intervals) == {"seconds", "cpu_seconds", "latency_us"}  # memory of nothing has no logarithm
    assert intervals["seconds"].low < 0.8 < intervals["seconds"].high
    assert intervals["seconds"].value == pytest.approx(exponents(_points(0.8, 0.1))["seconds"])
    wider = exponent_intervals(_points(0.8, 0.4))["seconds"]
    assert wider.high - wider.low > 2 * (intervals["seconds"].high - intervals["seconds"].low)
    assert exponent_intervals(_points(0.8, 0.1, SIZES[:2])) == {}


def test_the_error_of_an_architecture_is_a_power_law() -> None:
    wrong = [0.02 + 0.2 * (n / 1_000) ** -0.4 for n in SIZES]
    law = error_law(SIZES, [_right(1 - w) for w in wrong])
    assert law is not None
    assert law.at == 200_000
    assert law.predicted.low < 0.02 + 0.2 * 200**-0.4 < law.predicted.high
    assert law.exponent.low < 0.4 < law.exponent.high + 0.2
    assert error_law(SIZES[:2], [_right(0.9), _right(0.95)]) is None
    assert error_law(SIZES, [_right(1.1)] * 5) is None
    squares = error_law(SIZES, [-w * np.random.default_rng(1).chisquare(1, 500) for w in wrong])
    assert squares is not None


def test_where_the_large_one_overtakes_has_an_interval() -> None:
    gains = [_right(0.5 + g, 1) - _right(0.5, 2) for g in (-0.05, -0.02, 0.004, 0.03, 0.06)]
    interval = break_even(SIZES, gains, 0)
    assert interval.low is not None
    assert interval.rows is not None
    assert interval.high is not None
    assert 3_000 < interval.low < interval.rows < interval.high < 30_000
    always = break_even(SIZES, [_right(0.9, 1) - _right(0.5, 2)] * 5, 0)
    assert always == BreakEven(rows=None, low=None, high=None)
    never = break_even(SIZES, [_right(0.5, 1) - _right(0.9, 2)] * 5, 0)
    assert never.rows is None


def test_the_page_and_the_terminal_say_it() -> None:
    method = "least squares"
    interval = Interval(value=0.98, low=0.95, high=1.01, method=method)
    law = error_law(SIZES, [_right(1 - 0.2 * (n / 1_000) ** -0.3) for n in SIZES])
    assert law is not None
    record = msgspec.structs.replace(
        example.scaling(), intervals={"small": {"time": interval}}, laws={"small": law},
        break_even=BreakEven(rows=12_000.0, low=9_000.0, high=None),
    )  # fmt: skip
    assert exponent_text(record, "small", "time") == "0.98 (0.95 to 1.01)"
    assert exponent_text(record, "large", "time") == "1.02"
    assert exponent_text(record, "large", "memory") == "-"
    assert law_rows(record)[0][0] == "small"
    text = (
        "The largest architecture overtakes the smallest at 12,000 rows (90 % CI: 9,000 to more than the largest size)."
    )
    assert break_even_text(record.break_even) == text
    assert "do not cross" in break_even_text(BreakEven(rows=None, low=None, high=None))
    html = page_html(msgspec.structs.replace(example.trace(20), scaling=record))
    assert text in html
    assert "0.98 (0.95 to 1.01)" in html
    assert "error ~ rows^-exponent" in html


def test_an_older_record_is_read() -> None:
    content = msgspec.json.decode(msgspec.json.encode(example.scaling()))
    for name in ("intervals", "laws", "break_even"):
        del content[name]
    assert msgspec.convert(content, ScalingRecord) == example.scaling()


def test_the_shipped_comparison_makes_as_many_epochs_at_every_size_and_takes_a_minute_at_most() -> None:
    config = read_config("scalability")
    wanted = config.scaling
    assert wanted is not None
    assert (min(wanted.rows), max(wanted.rows)) == (1_000, 100_000)
    assert wanted.looks == 0 and wanted.patience >= wanted.epochs
    assert scaling_s(resolve(config), wanted, (230,)) < 60
