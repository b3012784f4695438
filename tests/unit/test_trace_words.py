"""Numbers as a reader meets them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.durations import duration_text
from edgewright.trace import words


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (words.shape_text((10_000, 20)), "10,000 x 20"),
        (words.shape_text(()), ""),
        (words.flow_text((1_000, 10), (1_000, 5)), "1,000 x 10 -> 1,000 x 5"),
        (words.flow_text((), (1, 3)), "1 x 3"),
        (words.number(None), "missing"),
        (words.number(math.nan), "missing"),
        (words.number(101325.0), "101,325"),
        (words.number(-101312.4), "-101,312"),
        (words.number(-9_999_999.4), "-9,999,999"),
        (words.number(9_999_999.7), "1.00e+07"),
        (words.number(21.4321), "21.43"),
        (words.number(0.01234), "0.0123"),
        (words.fraction(0.5533), ".553"),
        (words.fraction(-0.05, 2), "-.05"),
        (words.fraction(1.0, 2), "1.00"),
        (words.percent(0.853), "85 %"),
        (words.percent(0.998), "99.8 %"),
        (words.percent(0.99999), "> 99.9 %"),
        (words.percent(1.0), "100 %"),
        (words.points(0.004), "0.4 points"),
        (words.points(0.01), "1 point"),
        (words.bytes_text(5_452), "5.45 kB"),
        (words.bytes_text(999), "999 B"),
        (words.seconds_text(123), "2 min 3 s"),
        (words.seconds_text(59.9996), "60.00 s"),
        (words.seconds_text(3_600), "1 h"),
        (words.seconds_text(605_253), "7 d"),
        (words.seconds_text(609_000), "7 d 1 h"),
        (duration_text(-90), "-1 min 30 s"),
        (duration_text(0.42), "0.42 s"),
        (words.seconds_text(0.0042), "4.2 ms"),
        (words.microseconds_text(1_310), "1.31 ms"),
        (words.amount(78.0, "us"), "78 µs"),
        (words.count_word(3), "three"),
        (words.plural(1, "sample"), "1 sample"),
        (words.shorten("temperature", 5), "temp…"),
        (words.share_word(0.26), "a quarter"),
        (words.share_word(0.05), "5 %"),
    ],
)
def test_words(got: str, expected: str) -> None:
    assert got == expected


@settings(max_examples=80, deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_short(value: float) -> None:
    assert 0 < len(words.number(value)) <= 10
