"""exp, 1/(1+x) and the logistic function on 32-bit fixed point, as the reference kernels of softmax and logistic do.

A number with n integer bits is raw / 2**(31 - n). The polynomials and constants are those of the published fixed-point
method: exp by a Taylor series around -1/8 and a product of exp(2**k), the reciprocal by three Newton steps from
48/17 - 32/17 d (Moler, "The Newton iteration for reciprocals").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic.requantise import INT32_MAX, divide_by_power, high_product

Integers = NDArray[np.int64]
UNIT = INT32_MAX
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
    return np.where(x == 0, UNIT, result)


def _exp_of_quarter(a: Integers) -> Integers:
    """exp(a) for a from -1/4 to 0, no integer bits."""
    x = a + (1 << 28)
    square = high_product(x, x)
    cube, fourth = high_product(square, x), high_product(square, square)
    series = divide_by_power(high_product(divide_by_power(fourth, 2) + cube, _THIRD) + square, 1)
    return _EXP_EIGHTH + high_product(_EXP_EIGHTH, x + series)


def one_over_one_plus(x: Any) -> Integers:  # noqa: ANN401 - an array
    """1 / (1 + x) for x from 0 to 1, without integer bits."""
    total = np.asarray(x, np.int64) + UNIT
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
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, UNIT - positive))
