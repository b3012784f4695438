"""Sigmoid and tanh of 16-bit fixed point, as LiteRT's integer LSTM computes them, and as TFLM's does.

LiteRT's method is that of `fixed_point` with half the digits: a number with n integer bits is raw / 2**(15 - n). TFLM
interpolates in a table of the sigmoid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic.requantise import divide_by_power

Integers = NDArray[np.int64]
UNIT = 2**15 - 1
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
    return np.where(x == 0, UNIT, result)


def _twice_reciprocal(x: Integers) -> Integers:
    """2 / (1 + x) for x from 0 to 1, two integer bits, by three Newton steps."""
    half = (x + UNIT + 1) >> 1
    y = RECIPROCAL[0] + _product(half, RECIPROCAL[1])
    for _ in range(3):
        y = saturated(y + saturated(_product(y, (1 << 13) - _product(half, y)) << 2))
    return y


def sigmoid(x: Any) -> Integers:  # noqa: ANN401 - integers of 16 bits
    """1 / (1 + exp(-x)) of a gate, no integer bits."""
    x = np.asarray(x, np.int64)
    positive = saturated(_twice_reciprocal(_exp_of_negative(-np.abs(x), GATE_BITS)) << 1)
    return np.where(x == 0, 1 << 14, np.where(x > 0, positive, UNIT - positive))


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
