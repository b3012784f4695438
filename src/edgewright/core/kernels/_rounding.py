"""From sums to bytes, a whole array at a time: `requantise.twice` and `once` with what is constant folded in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.requantise import twice
from edgewright.core.kernels import finished
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue

Finish = Callable[[Array], NDArray[np.int8]]
# A product by multiplier / 2**31 is a multiple of 2**-31: below this it is exact in float64.
_EXACT = 2.0**22
# Further down than this, what is beyond it need not be beyond every byte.
_DOWN = 12


def rounded_twice(operator: IntegerOperator, output: IntegerValue, offset: Any, furthest: Any) -> Finish:  # noqa: ANN401
    """Give a function from sums, shape (..., channels), to bytes: rounded at the product and again at the shift.

    In float64, exactly: the product is below 2**22, or it is beyond every byte after a shift of at most 12. The second
    rounding takes halves away from zero: a factor of 1 + 2**-(shift + 10) moves exact halves across, and nothing else,
    because quotients are multiples of 2**-shift.

    Args:
        operator: with `multiplier`, `shift`, and its clamp.
        output: whose zero point is added.
        offset: integers that are added to the sums first, shape (channels,) or ().
        furthest: no sum with its offset is larger, nor its negative smaller; shape (channels,) or ().
    """
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    first = np.ldexp(multiplier.astype(np.float64), np.maximum(shift, 0) - 31)
    down = np.maximum(-shift, 0)
    if np.any((furthest * first >= _EXACT) & (down > _DOWN)):
        return lambda sums: finished(twice(sums.astype(np.int64) + offset, multiplier, shift), operator, output)
    second = np.ldexp(1.0 + np.ldexp(1.0, -down - 10), -down)
    bias, last = np.asarray(offset, np.float64), 0.5 + output.zero - operator.low
    top, low = float(operator.high - operator.low), np.uint8(operator.low & 255)

    def finish(sums: Array) -> NDArray[np.int8]:
        real = np.add(sums, bias, dtype=np.float64)
        real *= first
        real += 0.5
        np.floor(real, out=real)
        real *= second
        real += last
        real.clip(0.0, top, out=real)
        # What is left is positive: the conversion cuts it down as `floor` would.
        made = real.astype(np.uint8)
        made += low
        return made.view(np.int8)

    return finish


def rounded_once(operator: IntegerOperator, output: IntegerValue, offset: Any) -> Finish:  # noqa: ANN401 - integers
    """Return the same, rounded once with halves away from zero; products of 62 bits are integers throughout."""
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    half = np.int64(1) << (shift - 1)
    # Products may wrap around where the offset takes them back: in sum they fit.
    constant = np.asarray(offset, np.int64) * multiplier + half
    negative = operator.low < output.zero
    low, high = operator.low - output.zero, operator.high - output.zero

    def finish(sums: Array) -> NDArray[np.int8]:
        whole = sums.astype(np.int64)
        whole *= multiplier
        whole += constant
        if negative:
            whole -= whole < half
        whole >>= shift
        whole.clip(low, high, out=whole)
        whole += output.zero
        return whole.astype(np.int8)

    return finish


def byte_table(results: Array) -> Callable[[Array], NDArray[np.int8]]:
    """Return a function of bytes that looks up; `results` are for -128, -127, ..., 127."""
    table = np.roll(np.asarray(results, np.int8), -128)
    return lambda x: np.take(table, np.ascontiguousarray(x).view(np.uint8))
