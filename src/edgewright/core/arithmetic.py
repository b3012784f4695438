"""Integer arithmetic that kernels and networks share: fixed point, requantisation, tables of gates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import Int8Error

Integers = NDArray[np.int64]
INT32_MAX = 2**31 - 1
# Product of a sum and a multiplier must stay below this: one bit for the sign, one for the rounding constant.
_PRODUCT_BITS = 62
# Channels whose steps are looked at together: some 8,000 sums, which stay in the cache.
_CHANNELS = 8
# More than a product of float64 is off by, where it is at most 2**9.
_ROUNDED = 2.0**-40


def quantise_multiplier(real: Any) -> tuple[Integers, Integers]:  # noqa: ANN401 - a number or an array of numbers
    """Positive real factors as integers: real = multiplier / 2**31 * 2**shift.

    The multiplier has 31 bits, its highest bit set, rounded half away from zero. Factors below 2**-32 become 0.

    Args:
        real: float64, any shape.

    Returns:
        Multipliers and shifts, int64, at least one-dimensional.
    """
    fraction, exponent = np.frexp(np.atleast_1d(np.asarray(real, np.float64)))
    multiplier = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    shift = exponent.astype(np.int64)
    full = multiplier == 2**31
    multiplier, shift = np.where(full, 2**30, multiplier), np.where(full, shift + 1, shift)
    tiny = shift < -31
    return np.where(tiny, 0, multiplier), np.where(tiny, 0, shift)


def short_multiplier(real: Any) -> tuple[Integers, Integers]:  # noqa: ANN401 - a number or an array of numbers
    """Positive real factors as integers of 15 bits: real = multiplier / 2**shift, as sums of 64 bits are multiplied.

    TFLM cuts its multipliers so. A factor that is one of them, LiteRT's float64 holds with the whole product.

    Args:
        real: float64, any shape.

    Returns:
        Multipliers from 2**14 on, and shifts, int64; 0 and 15 for factors below 2**-32.
    """
    multiplier, shift = quantise_multiplier(real)
    return np.minimum((multiplier + (1 << 15)) >> 16, 2**15 - 1), 15 - shift


def high_product(a: Any, b: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """Return the product of two 32-bit numbers over 2**31, halves rounded up; -2**31 times itself is 2**31 - 1."""
    product: Integers = (np.asarray(a, np.int64) * np.asarray(b, np.int64) + (1 << 30)) >> 31
    return np.minimum(product, INT32_MAX)


def divide_by_power(x: Any, exponent: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """Give x over 2**exponent, halves rounded away from zero; the exponent is 0 or more."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    half = (np.int64(1) << exponent) >> 1
    return np.asarray((x + half - ((x < 0) & (exponent > 0))) >> exponent, np.int64)


def twice(x: Any, multiplier: Any, shift: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """Give x * multiplier / 2**31 * 2**shift, rounded at the product and again at the shift.

    Convolution, depthwise convolution, means, sums and ReLU round so in LiteRT and TFLM, fully connected in TFLM.
    The caller keeps x * 2**shift within 32 bits.
    """
    shift = np.asarray(shift, np.int64)
    return divide_by_power(
        high_product(np.asarray(x, np.int64) << np.maximum(shift, 0), multiplier), np.maximum(-shift, 0)
    )


def once(x: Any, multiplier: Any, shift: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """Give x * multiplier / 2**shift, halves rounded away from zero; the shift is 1 or more."""
    x = np.asarray(x, np.int64)
    return divide_by_power(x * np.asarray(multiplier, np.int64), shift)


def exact_once(real: Any, minimum: Any, upper: Any, low: int, high: int) -> tuple[Integers, Integers]:  # noqa: ANN401
    """Return multipliers and shifts for `once` that equal round(x * real) in float64 for every sum that can occur.

    LiteRT's reference kernel of a fully connected layer multiplies the sum by a float64 factor. Neither that nor
    `once` ever falls as the sum grows, so they are equal everywhere if each step up from one result to the next
    happens at the same sum; the at most 256 steps are checked. A multiplier of 31 bits passes nearly always, a longer
    one is taken where it does not.

    Args:
        real: factors, float64, shape (channels,).
        minimum: smallest sum a channel can reach, int, shape (channels,).
        upper: largest one.
        low: smallest result that is told apart, before the zero point.
        high: largest one.

    Raises:
        InputError: when no multiplier passes whose product with the sums stays within 62 bits.
    """
    factors = np.atleast_1d(np.asarray(real, np.float64))
    ends = [np.broadcast_to(np.asarray(end, np.int64), factors.shape) for end in (minimum, upper)]
    furthest = np.maximum(np.maximum(np.abs(ends[0]), np.abs(ends[1])), 1)
    shift = 31 - np.frexp(factors)[1].astype(np.int64)
    multiplier = np.floor(np.ldexp(factors, shift) + 0.5).astype(np.int64)
    near = np.flatnonzero(~_far_from_steps(factors, multiplier, shift, furthest, low, high))
    for start in range(0, len(near), _CHANNELS):
        few = near[start : start + _CHANNELS]
        multiplier[few], shift[few] = _exact(factors[few], ends[0][few], ends[1][few], low, high)
    return multiplier, shift


def _far_from_steps(
    real: NDArray[np.float64], multiplier: Integers, shift: Integers, furthest: Integers, low: int, high: int
) -> NDArray[np.bool_]:
    """Return whether no sum of a channel comes as near to a step as the multiplier is off: then the steps need no look.

    A sum x could only be told apart where x * real and x * multiplier / 2**shift, which differ by |x| * off, lie on
    both sides of a step k - 1/2. While |x| * off stays below half of `real`, x is the whole number next to
    (k - 1/2) / real.
    """
    usual = (real > 2.0**-31) & (real < 2.0**30)
    scale = np.where(usual, real, 1.0)
    off = np.abs(np.ldexp(multiplier.astype(np.float64), -shift) - scale)
    usual &= (furthest * off < 0.5 * scale) & (furthest * multiplier.astype(np.float64) < 2.0**_PRODUCT_BITS)
    near = (np.arange(low + 1, high + 1) - 0.5) / scale[:, None]
    whole = np.rint(near)
    distance = np.abs(near - whole) * scale[:, None]
    return np.asarray(usual & (distance > np.abs(whole) * off[:, None] + _ROUNDED).all(axis=1))


def _exact(
    real: NDArray[np.float64], lower: Integers, upper: Integers, low: int, high: int
) -> tuple[Integers, Integers]:
    """Return the same for a few channels at once."""
    sums = _around_steps(real, lower, upper, low, high)
    wanted = np.clip(half_away(sums * real[:, None]), low, high)
    furthest = np.maximum(np.maximum(np.abs(lower), np.abs(upper)), 1)
    longest = _PRODUCT_BITS - np.frexp(furthest.astype(np.float64))[1]
    exponent = np.frexp(real)[1].astype(np.int64)
    multiplier, shift = np.zeros(len(real), np.int64), np.zeros(len(real), np.int64)
    missing = np.ones(len(real), np.bool_)
    # A factor of 2**31 and more leaves no bit to round.
    shifted = exponent < 31
    for bits in range(31, max(int(longest.max()), 31) + 1):
        bits_used = np.minimum(bits - exponent, _PRODUCT_BITS)
        raised = np.floor(np.ldexp(real, bits_used) + 0.5)
        few = np.flatnonzero(missing & shifted & (raised < 2.0**longest))
        whole = raised[few].astype(np.int64)
        given = np.clip(once(sums[few], whole[:, None], bits_used[few][:, None]), low, high)
        passed = (given == wanted[few]).all(axis=1)
        few, whole = few[passed], whole[passed]
        multiplier[few], shift[few], missing[few] = whole, bits_used[few], False
        if not missing.any():
            return multiplier, shift
    first = int(np.argmax(missing))
    raise Int8Error(
        "a factor between input and output that integers can hold",
        f"{float(real[first])!r} for sums from {lower[first]} to {upper[first]}",
        "requantisation",
    )


def _around_steps(real: NDArray[np.float64], minimum: Integers, maximum: Integers, low: int, high: int) -> Integers:
    """Sum on both sides of every step from one result to the next, and the ends; shape (channels, sum)."""
    steps = np.arange(low + 1, high + 1, dtype=np.float64) - 0.5
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        near = np.where(real[:, None] > 0, steps / real[:, None], np.inf)
    ends = minimum[:, None], maximum[:, None]
    # Where a step lies beyond the sums that occur, both ends stand for it. A quotient is off by far less than one sum.
    whole = np.floor(np.clip(near, *ends)).astype(np.int64)
    around = (np.clip(whole + offset, *ends) for offset in (-1, 0, 1, 2))
    return np.concatenate([*around, *ends], axis=1)


def half_away(x: Any) -> NDArray[Any]:  # noqa: ANN401 - an array of floats of any precision
    """Round halves away from zero, as C's `round` does; NumPy's own rounds them to even numbers."""
    x = np.asarray(x)
    whole = np.trunc(x)
    return np.asarray(whole + np.copysign((np.abs(x - whole) >= 0.5).astype(x.dtype), x), x.dtype)


# A number with n integer bits is raw / 2**(31 - n). The polynomials and constants are those of the published fixed-
# point method: exp by a Taylor series around -1/8 and a product of exp(2**k), the reciprocal by three Newton steps from
# 48/17 - 32/17 d (Moler, "The Newton iteration for reciprocals").
UNIT31 = INT32_MAX
# exp(-2**k) with no integer bits, for k from -2 to 4.
_EXP_POWERS = {
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
_EXP_EIGHTH = 1895147668  # exp(-1/8)
_THIRD = 715827883
_48_OVER_17 = 1515870810  # two integer bits
_32_OVER_17 = 1010580540  # two integer bits


def _scaled_up(x: Any, power: int) -> Integers:  # noqa: ANN401 - an array
    return np.asarray(np.clip(np.asarray(x, np.int64) << power, -(2**31), INT32_MAX), np.int64)


def exp_of_negative(x: Any, integer_bits: int) -> Integers:  # noqa: ANN401 - an array
    """exp(x) without integer bits, for x <= 0 with `integer_bits` integer bits (at most 5)."""
    x = np.asarray(x, np.int64)
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    rest = (x & (quarter - 1)) - quarter
    result = _exp_of_quarter(_scaled_up(rest, integer_bits))
    remainder = rest - x
    for power, factor in _EXP_POWERS.items():
        if integer_bits > power:
            set_bits = (remainder & (1 << (fraction + power))) != 0
            result = np.where(set_bits, high_product(result, factor), result)
    return np.where(x == 0, UNIT31, result)


def _exp_of_quarter(a: Integers) -> Integers:
    """exp(a) for a from -1/4 to 0, no integer bits."""
    x = a + (1 << 28)
    square = high_product(x, x)
    cube, fourth = high_product(square, x), high_product(square, square)
    series = divide_by_power(high_product(divide_by_power(fourth, 2) + cube, _THIRD) + square, 1)
    return _EXP_EIGHTH + high_product(_EXP_EIGHTH, x + series)


def one_over_one_plus(x: Any) -> Integers:  # noqa: ANN401 - an array
    """1 / (1 + x) for x from 0 to 1, without integer bits."""
    total = np.asarray(x, np.int64) + UNIT31
    # The mean of x and 1, halves rounded away from zero; both are positive.
    half = (total + 1) >> 1
    y = _48_OVER_17 + high_product(half, -_32_OVER_17)
    for _ in range(3):
        error = (1 << 29) - high_product(half, y)
        y = y + _scaled_up(high_product(y, error), 2)
    return _scaled_up(y, 1)


def logistic(x: Any, integer_bits: int) -> Integers:  # noqa: ANN401 - an array
    """1 / (1 + exp(-x)) without integer bits."""
    x = np.asarray(x, np.int64)
    positive = one_over_one_plus(exp_of_negative(-np.abs(x), integer_bits))
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, UNIT31 - positive))


UNIT15 = 2**15 - 1
# Of gates: LiteRT's step is 2**-12.
GATE_BITS = 3
# 2**16 sigmoid(i / 24), rounded; TFLM's table is one higher at some places.
TABLE = np.floor(65536.0 / (1.0 + np.exp(-np.arange(256) / 24.0)) + 0.5).astype(np.int64)
_HIGHER = (
    4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46, 49,
    50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255,
)  # fmt: skip
TABLE[list(_HIGHER)] += 1
# exp(-2**k) for k from -2 to 4, exp(-1/8), 1/3; with two integer bits 48/17 and 32/17.
EXP_POWERS = (25520, 19875, 12055, 4435, 600, 11, 0)
EXP_EIGHTH, THIRD = 28918, 10923
RECIPROCAL = 23130, -15420


def saturated(x: Any) -> Integers:  # noqa: ANN401 - integers
    """Hold integers within 16 bits."""
    return np.asarray(np.clip(x, -(2**15), 2**15 - 1), np.int64)


def _product(a: Any, b: Any) -> Integers:  # noqa: ANN401 - integers
    """Return a * b / 2**15, halves upwards."""
    return np.asarray((np.asarray(a, np.int64) * b + (1 << 14)) >> 15, np.int64)


def _exp_of_negative(x: Integers, integer_bits: int) -> Integers:
    """exp(x) for x <= 0; a Taylor series around -1/8, and a product of exp(2**k)."""
    fraction = 15 - integer_bits
    quarter = 1 << (fraction - 2)
    rest = (x & (quarter - 1)) - quarter
    a = saturated(rest << integer_bits) + (1 << 12)
    square = _product(a, a)
    cube, fourth = _product(square, a), _product(square, square)
    series = divide_by_power(_product(divide_by_power(fourth, 2) + cube, THIRD) + square, 1)
    result = EXP_EIGHTH + _product(EXP_EIGHTH, a + series)
    for power, factor in enumerate(EXP_POWERS, -2):
        if integer_bits > power:
            set_bits = ((rest - x) & (1 << (fraction + power))) != 0
            result = np.where(set_bits, _product(result, factor), result)
    if integer_bits > 5:
        result = np.where(x < -(1 << (20 - integer_bits)), 0, result)
    return np.where(x == 0, UNIT15, result)


def _twice_reciprocal(x: Integers) -> Integers:
    """2 / (1 + x) for x from 0 to 1, two integer bits, by three Newton steps."""
    half = (x + UNIT15 + 1) >> 1
    y = RECIPROCAL[0] + _product(half, RECIPROCAL[1])
    for _ in range(3):
        y = saturated(y + saturated(_product(y, (1 << 13) - _product(half, y)) << 2))
    return y


def sigmoid(x: Any) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """1 / (1 + exp(-x)) of a gate, no integer bits."""
    x = np.asarray(x, np.int64)
    positive = saturated(_twice_reciprocal(_exp_of_negative(-np.abs(x), GATE_BITS)) << 1)
    return np.where(x == 0, 1 << 14, np.where(x > 0, positive, UNIT15 - positive))


def tanh(x: Any, integer_bits: int) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """Return the hyperbolic tangent of a number with up to 6 integer bits, no integer bits."""
    x = np.asarray(x, np.int64)
    size = saturated((_twice_reciprocal(_exp_of_negative(-np.abs(x), integer_bits + 1)) - (1 << 13)) << 2)
    return np.where(x == 0, 0, np.sign(x) * size)


def sigmoid_of_table(x: Any) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """Return the sigmoid of a gate, between two entries of the table."""
    return _sigmoid_between(3 * np.asarray(x, np.int64))


def sigmoid_of_sum(x: Any) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """Return the sigmoid of a gate in steps of 5 * 2**-14, between two entries of the table."""
    return _sigmoid_between(_on_table(x))


def tanh_of_sum(x: Any) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """Return the hyperbolic tangent of a gate in steps of 5 * 2**-14, between two entries of the table."""
    return _tanh_between(_on_table(x))


def _on_table(x: Any) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """Return steps of 5 * 2**-14 as steps of 2**-12 / 3, halves upwards."""
    return np.asarray((15 * np.asarray(x, np.int64) + 2) >> 2, np.int64)


def _sigmoid_between(x: Integers) -> Integers:
    value = _between(np.abs(x), 9, 0x7FFF << 10)
    return np.where(x >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1) >> 10


def tanh_of_table(x: Any, integer_bits: int) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """Return the hyperbolic tangent, 2 sigmoid(2 x) - 1, between two entries of the table."""
    x, shift = 3 * np.asarray(x, np.int64), integer_bits - GATE_BITS
    return _tanh_between(x << shift if shift >= 0 else (x + (1 << (-shift - 1))) >> -shift)


def _tanh_between(x: Integers) -> Integers:
    value = _between(np.abs(x), 8, 0xFFFF << 8)
    return np.where(x >= 0, value - (1 << 23) + (1 << 7), -value + (1 << 23) + (1 << 7) - 1) >> 8


def _between(size: Integers, bits: int, beyond: int) -> Integers:
    index = np.minimum(size >> bits, 254)
    first, second = TABLE[index], TABLE[index + 1]
    return np.where(size >> bits >= 255, beyond, (first << bits) + (size & ((1 << bits) - 1)) * (second - first))
