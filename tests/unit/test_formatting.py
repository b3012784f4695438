"""Numbers as a reader meets them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core import formatting
from edgewright.core.formatting import duration_text, estimated_latency, speed_text


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (formatting.shape_text((10_000, 20)), "10,000 x 20"),
        (formatting.shape_text(()), ""),
        (formatting.flow_text((1_000, 10), (1_000, 5)), "1,000 x 10 -> 1,000 x 5"),
        (formatting.flow_text((), (1, 3)), "1 x 3"),
        (formatting.number(None), "missing"),
        (formatting.number(math.nan), "missing"),
        (formatting.number(101325.0), "101,325"),
        (formatting.number(-101312.4), "-101,312"),
        (formatting.number(-9_999_999.4), "-9,999,999"),
        (formatting.number(9_999_999.7), "1.00e+07"),
        (formatting.number(21.4321), "21.43"),
        (formatting.number(0.01234), "0.0123"),
        (formatting.fraction(0.5533), ".553"),
        (formatting.fraction(-0.05, 2), "-.05"),
        (formatting.fraction(1.0, 2), "1.00"),
        (formatting.percent(0.853), "85 %"),
        (formatting.percent(0.998), "99.8 %"),
        (formatting.percent(0.99999), "> 99.9 %"),
        (formatting.percent(1.0), "100 %"),
        (formatting.points(0.004), "0.4 points"),
        (formatting.points(0.01), "1 point"),
        (formatting.bytes_text(5_452), "5.45 kB"),
        (formatting.bytes_text(999), "999 B"),
        (formatting.seconds_text(123), "2 min 3 s"),
        (formatting.seconds_text(59.9996), "60.00 s"),
        (formatting.seconds_text(3_600), "1 h"),
        (formatting.seconds_text(605_253), "7 d"),
        (formatting.seconds_text(609_000), "7 d 1 h"),
        (duration_text(-90), "-1 min 30 s"),
        (duration_text(0.42), "0.42 s"),
        (formatting.seconds_text(0.0042), "4.2 ms"),
        (formatting.microseconds_text(1_310), "1.31 ms"),
        (formatting.microseconds_text(999.7), "1 ms"),
        (formatting.microseconds_text(999_700), "1 s"),
        (formatting.amount(78.0, "us"), "78 µs"),
        (formatting.plural(1, "sample"), "1 sample"),
        (formatting.shorten("temperature", 5), "temp…"),
        (formatting.share_word(0.26), "a quarter"),
        (formatting.share_word(0.05), "5 %"),
    ],
)
def test_words(got: str, expected: str) -> None:
    assert got == expected


@settings(max_examples=80)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_short(value: float) -> None:
    assert 0 < len(formatting.number(value)) <= 10


def test_a_wide_estimate_of_latency_is_an_upper_bound() -> None:
    assert estimated_latency(100.0, 80.0, 120.0) == ("100 µs", "80 µs to 120 µs")
    assert estimated_latency(50.6, 19.3, 93.9) == ("at most 93.9 µs", "")
    assert speed_text(20.0, 10.0) == "2.0x faster" and speed_text(10.0, 20.0) == "2.0x slower"
