"""Fixed-point rounding in C, as docs/adr/0010-requantisation.md defines it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_source import Source
from edgewright.export._c_text import number, smallest
from edgewright.export._c_unit import Unit
from edgewright.export.c99_operators import Site
from edgewright.schema.integer import IntegerValue

_CLAMP = """\
static int8_t @_clamp(int32_t v, int32_t low, int32_t high) {
    return (int8_t)(v < low ? low : v > high ? high : v);
}"""
_DIVIDE = """\
/* v / 2^e, halves away from zero. */
static int32_t @_divide(int32_t v, int e) {
    const int32_t mask = (int32_t)((UINT32_C(1) << e) - 1);
    return (v >> e) + ((v & mask) > (mask >> 1) + (v < 0));
}"""
_TWICE = """\
/* v * m / 2^31 * 2^s: rounded at the product, halves upwards, and at the shift, halves away from zero. */
static int32_t @_twice(int32_t v, int32_t m, int s) {
    const int64_t left = s > 0 ? INT64_C(1) << s : 1;
    const int32_t high = (int32_t)((v * left * m + (INT64_C(1) << 30)) >> 31);
    return s < 0 ? @_divide(high, -s) : high;
}"""
_ONCE = """\
/* v * m / 2^s, rounded once, halves away from zero. */
static int64_t @_once(int32_t v, int64_t m, int s) {
    const int64_t p = v * m;
    return (p + (INT64_C(1) << (s - 1)) - (p < 0)) >> s;
}"""
_CLAMP_LONG = """\
static int8_t @_clamp_long(int64_t v, int64_t low, int64_t high) {
    return (int8_t)(v < low ? low : v > high ? high : v);
}"""


def clamp(unit: Unit) -> str:
    """Name of the function that brings an int32 to a byte between two limits."""
    return unit.helper("clamp", _CLAMP)


def twice(unit: Unit) -> str:
    """Name of the function that rounds at the product and at the shift."""
    divide(unit)
    return unit.helper("twice", _TWICE)


def divide(unit: Unit) -> str:
    """Name of the function that divides by a power of two, halves away from zero."""
    return unit.helper("divide", _DIVIDE)


def requantised(site: Site, total: str, channel: str) -> str:
    """Expression of the output byte from a sum, for output channel `channel`.

    Multipliers and shifts that are the same for every channel are written as numbers, others as tables.
    """
    unit, operator, zero = site.unit, site.operator, site.target.zero
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    m, s = (_entry(unit, array, channel) for array in (multiplier, shift))
    if operator.numbers.get("single", (0,))[0]:
        once, limit = unit.helper("once", _ONCE), unit.helper("clamp_long", _CLAMP_LONG)
        return f"{limit}({once}({total}, {m}, {s}) + {zero}, {operator.low}, {operator.high})".replace("+ -", "- ")
    rounded = f"{twice(unit)}({total}, {m}, {s}) + {zero}".replace("+ -", "- ")
    return f"{clamp(unit)}({rounded}, {operator.low}, {operator.high})"


def _entry(unit: Unit, array: NDArray[np.int64], channel: str) -> str:
    if (array == array.ravel()[0]).all():
        value = int(array.ravel()[0])
        return str(value) if abs(value) < 2**31 else f"INT64_C({value})"
    return f"{unit.table(smallest(array))}[{channel}]"


def folded_bias(site: Site, axis: int) -> tuple[NDArray[np.int64], bool]:
    """Biases, and whether the input's zero point is folded into them so that bytes multiply as they are.

    It is not where the sums without it could leave 32 bits.

    Args:
        site: with weights.
        axis: of the output channels in the weights.
    """
    own = site.operator.arrays
    rows = np.moveaxis(own["weights"], axis, 0).astype(np.int64)
    rows = rows.reshape(len(rows), -1)
    bias = own["bias"].astype(np.int64).ravel() if "bias" in own else np.zeros(len(rows), np.int64)
    folded = bias - site.values[0].zero * rows.sum(axis=1)
    if (np.abs(folded) + 128 * np.abs(rows).sum(axis=1)).max() >= 2**31:
        return bias, False
    return folded, True


def bias_text(site: Site, bias: NDArray[np.int64], channel: str) -> str:
    """Expression of a channel's bias."""
    return f"{site.unit.table(bias.astype(np.int32))}[{channel}]" if bias.any() else "0"


def less(zero: int) -> str:
    """What takes a zero point off: ' - 3', ' + 3' or nothing."""
    return "" if zero == 0 else f" - {zero}" if zero > 0 else f" + {-zero}"


_TO_BYTE = """\
/* x on a grid: divided in float, halves away from zero; not a number stands for the real number 0. */
static int8_t @_to_byte(float x, float scale, int zero) {
    float q = roundf(x / scale);
    q = q != q ? (float)zero : q + (float)zero;
    return (int8_t)(q < -128.0f ? -128.0f : q > 127.0f ? 127.0f : q);
}"""


def quantise_step(unit: Unit, source: Source, value: IntegerValue) -> Source:
    """Appends the step from real numbers to bytes."""
    target = unit.fresh(source.shape, "int8")
    function = unit.helper("to_byte", _TO_BYTE)
    text = f"{function}({source.text}, {number(value.scale)}, {value.zero})"
    unit.copy(replace(source, text=text), target)
    return target


def dequantised(unit: Unit, source: Source, value: IntegerValue, shape: tuple[int, ...]) -> Source:
    """The real numbers of bytes, as an expression."""
    seen = source.seen(lambda view: view.reshape(shape))
    text = f"({number(value.scale)} * (float)({{0}}{less(value.zero)}))"
    return Source(shape, "float32", seen.leaves, text)
