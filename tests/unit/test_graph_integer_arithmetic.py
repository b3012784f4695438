"""The fixed-point arithmetic by itself: against whole numbers of any size, and against the real functions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.integer.fixed_point import ONE, exp_of_negative, logistic, one_over_one_plus
from edgewright.core.integer.requantise import (
    divide_by_power,
    exact_once,
    half_away,
    high_product,
    once,
    quantise_multiplier,
    twice,
)
from edgewright.schema.errors import InputError

pytestmark = pytest.mark.numbers

INT32 = st.integers(-(2**31), 2**31 - 1)


def nearest(x: Fraction) -> int:
    """Halves away from zero."""
    whole = int(abs(x) + Fraction(1, 2))
    return whole if x >= 0 else -whole


@given(st.floats(2.0**-31, 2.0**20))
@settings(max_examples=200, deadline=None)
def test_a_multiplier_holds_31_bits_of_its_factor(real: float) -> None:
    multiplier, shift = quantise_multiplier(real)
    assert 2**30 <= int(multiplier[0]) < 2**31
    made = Fraction(int(multiplier[0])) * Fraction(2) ** (int(shift[0]) - 31)
    assert abs(made - Fraction(real)) <= Fraction(real) / 2**31


def test_multipliers_at_the_ends() -> None:
    multiplier, shift = quantise_multiplier([0.0, 2.0**-40, 1.0 - 2.0**-40, 1.0, 2.0**-32])
    assert multiplier.tolist() == [0, 0, 2**30, 2**30, 2**30]
    assert shift.tolist() == [0, 0, 1, 1, -31]


@given(INT32, INT32)
@settings(max_examples=200, deadline=None)
def test_the_high_product_rounds_halves_up(a: int, b: int) -> None:
    exact = Fraction(a * b, 2**31) + Fraction(1, 2)
    assert int(high_product(a, b)) == min(exact.numerator // exact.denominator, 2**31 - 1)


@given(INT32, st.integers(0, 31))
@settings(max_examples=200, deadline=None)
def test_division_by_a_power_rounds_halves_away_from_zero(x: int, exponent: int) -> None:
    assert int(divide_by_power(x, exponent)) == nearest(Fraction(x, 2**exponent))


@given(st.integers(-(2**24), 2**24), st.floats(1e-6, 4.0))
@settings(max_examples=200, deadline=None)
def test_rounding_twice_is_within_one_of_the_real_number(x: int, real: float) -> None:
    multiplier, shift = quantise_multiplier(real)
    assert abs(int(twice(x, multiplier, shift)[0]) - Fraction(real) * x) <= 1


@given(
    st.floats(1e-7, 2.0) | st.sampled_from([2.0**-k for k in range(1, 24)]),
    st.integers(-(2**30), 2**30),
    st.integers(0, 2**22),
    st.integers(-128, 127),
)
@settings(max_examples=150, deadline=None)
def test_rounding_once_equals_float64_for_every_sum(real: float, start: int, width: int, zero: int) -> None:
    least, most = start, start + width
    multiplier, shift = exact_once(real, least, most, -128 - zero, 127 - zero)
    sums = np.unique(np.concatenate([np.linspace(least, most, 2000).astype(np.int64), [least, most]]))
    steps = (np.arange(-128 - zero, 128 - zero) + 0.5) / real
    steps = np.floor(np.clip(steps, least, most)).astype(np.int64)
    sums = np.concatenate([sums, *(np.clip(steps + k, least, most) for k in (-1, 0, 1, 2))])
    wanted = np.clip(half_away(sums * real), -128 - zero, 127 - zero)
    made = np.clip(once(sums, multiplier, shift), -128 - zero, 127 - zero)
    np.testing.assert_array_equal(made, wanted)


def test_a_factor_that_no_multiplier_holds_is_refused() -> None:
    with pytest.raises(InputError, match="a factor between input and output that integers can hold"):
        exact_once(1e12, -100, 100, -128, 127)


def test_halves_go_away_from_zero_in_every_precision() -> None:
    x = np.array([-2.5, -0.5, -0.49999997, 0.49999997, 0.5, 1.5, 8388609.0], np.float32)
    made = half_away(x)
    assert made.tolist() == [-3, -1, 0, 0, 1, 2, 8388609] and made.dtype == np.float32


def test_exp_and_logistic_are_close_to_the_real_functions() -> None:
    x = -np.linspace(0, 15.99, 4001)
    for bits in (4, 5):
        raw = np.floor(x * 2.0 ** (31 - bits)).astype(np.int64)
        exact = np.exp(raw / 2.0 ** (31 - bits))
        assert np.abs(exp_of_negative(raw, bits) / 2.0**31 - exact).max() < 3e-7
    raw = np.linspace(-(2**31) + 1, 2**31 - 1, 4001).astype(np.int64)
    exact = 1.0 / (1.0 + np.exp(-raw / 2.0**27))
    assert np.abs(logistic(raw, 4) / 2.0**31 - exact).max() < 3e-7
    raw = np.linspace(0, ONE, 4001).astype(np.int64)
    assert np.abs(one_over_one_plus(raw) / 2.0**31 - 1 / (1 + raw / 2.0**31)).max() < 1e-7
    assert int(exp_of_negative(0, 5)) == ONE and int(logistic(0, 4)) == 2**30
