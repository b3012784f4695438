"""From a 32-bit sum to a signed byte: the fixed-point arithmetic, defined once (docs/adr/0010-requantisation.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

Integers = NDArray[np.int64]
INT32_MAX = 2**31 - 1
# Product of a sum and a multiplier must stay below this: one bit for the sign, one for the rounding constant.
_PRODUCT_BITS = 62


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


def high_product(a: Any, b: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """The product of two 32-bit numbers over 2**31, halves rounded up; -2**31 times itself is 2**31 - 1."""
    product: Integers = (np.asarray(a, np.int64) * np.asarray(b, np.int64) + (1 << 30)) >> 31
    return np.minimum(product, INT32_MAX)


def divide_by_power(x: Any, exponent: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """Gives x over 2**exponent, halves rounded away from zero; the exponent is 0 or more."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    half = (np.int64(1) << exponent) >> 1
    return np.asarray((x + half - ((x < 0) & (exponent > 0))) >> exponent, np.int64)


def twice(x: Any, multiplier: Any, shift: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """Gives x * multiplier / 2**31 * 2**shift, rounded at the product and again at the shift.

    Convolution, depthwise convolution, means, sums and ReLU round so in LiteRT and TFLM, fully connected in TFLM.
    The caller keeps x * 2**shift within 32 bits.
    """
    shift = np.asarray(shift, np.int64)
    return divide_by_power(
        high_product(np.asarray(x, np.int64) << np.maximum(shift, 0), multiplier), np.maximum(-shift, 0)
    )


def once(x: Any, multiplier: Any, shift: Any) -> Integers:  # noqa: ANN401 - arrays that broadcast
    """Gives x * multiplier / 2**shift, halves rounded away from zero; the shift is 1 or more."""
    x = np.asarray(x, np.int64)
    return divide_by_power(x * np.asarray(multiplier, np.int64), shift)


def exact_once(real: Any, least: Any, most: Any, low: int, high: int) -> tuple[Integers, Integers]:  # noqa: ANN401
    """Multipliers and shifts for `once` that equal round(x * real) in float64 for every sum that can occur.

    LiteRT's reference kernel of a fully connected layer multiplies the sum by a float64 factor. Neither that nor
    `once` ever falls as the sum grows, so they are equal everywhere if each step up from one result to the next
    happens at the same sum; the at most 256 steps are checked. A multiplier of 31 bits passes nearly always, a longer
    one is taken where it does not.

    Args:
        real: factors, float64, shape (channels,).
        least: smallest sum a channel can reach, int, shape (channels,).
        most: largest one.
        low: smallest result that is told apart, before the zero point.
        high: largest one.

    Raises:
        InputError: when no multiplier passes whose product with the sums stays within 62 bits.
    """
    factors = np.atleast_1d(np.asarray(real, np.float64))
    ends = np.broadcast_to(least, factors.shape), np.broadcast_to(most, factors.shape)
    found = [_exact(float(r), int(a), int(b), low, high) for r, a, b in zip(factors, *ends, strict=True)]
    return np.array([m for m, _ in found], np.int64), np.array([s for _, s in found], np.int64)


def _exact(real: float, least: int, most: int, low: int, high: int) -> tuple[int, int]:
    steps = np.arange(low + 1, high + 1, dtype=np.float64)
    with np.errstate(over="ignore", divide="ignore"):
        near = (steps - 0.5) / real if real > 0 else np.full_like(steps, np.inf)
    # Where a step lies beyond the sums that occur, both ends stand for it.
    near = np.clip(near, least, most)
    around = np.floor(near)[:, None].astype(np.int64) + np.arange(-2, 4)
    sums = np.unique(np.concatenate([np.clip(around, least, most).ravel(), [least, most]]))
    wanted = np.clip(half_away(sums.astype(np.float64) * real), low, high).astype(np.int64)
    longest = _PRODUCT_BITS - max(abs(least), abs(most), 1).bit_length()
    exponent = int(np.frexp(real)[1])
    for bits in range(31, max(longest, 31) + 1):
        shift = min(bits - exponent, _PRODUCT_BITS)
        if shift < 1:
            break
        multiplier = int(np.floor(np.ldexp(real, shift) + 0.5))
        if multiplier < 1 << longest and np.array_equal(np.clip(once(sums, multiplier, shift), low, high), wanted):
            return multiplier, shift
    raise InputError(
        "a factor between input and output that integers can hold",
        f"{real!r} for sums from {least} to {most}",
        "requantisation",
    )


def half_away(x: Any) -> NDArray[Any]:  # noqa: ANN401 - an array of floats of any precision
    """Rounds halves away from zero, as C's `round` does; NumPy's own rounds them to even numbers."""
    x = np.asarray(x)
    whole = np.trunc(x)
    return np.asarray(whole + np.copysign((np.abs(x - whole) >= 0.5).astype(x.dtype), x), x.dtype)
