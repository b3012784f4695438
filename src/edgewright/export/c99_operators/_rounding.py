"""Fixed-point rounding in C, as docs/adr/0010-requantisation.md defines it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Site
from edgewright.schema.integer import IntegerValue

C = parts(__file__, "rounding.c")


def clamp(unit: Unit) -> str:
    """Name of the function that brings an int32 to a byte between two limits."""
    return unit.helper("clamp", C["clamp"])


def clamp_long(unit: Unit) -> str:
    """Name of the function that brings an int64 to a byte between two limits."""
    return unit.helper("clamp_long", C["clamp_long"])


def twice(unit: Unit) -> str:
    """Name of the function that rounds at the product and at the shift."""
    divide(unit)
    return unit.helper("twice", C["twice"])


def divide(unit: Unit) -> str:
    """Name of the function that divides by a power of two, halves away from zero."""
    return unit.helper("divide", C["divide"])


def rescaled(site: Site, total: str, channel: str, maximum: int, entry: int | None = None) -> str:
    """Expression of `total` times the operator's factor, rounded twice.

    Args:
        site: whose multipliers and shifts are meant.
        total: expression of an int32.
        channel: expression of the channel.
        maximum: largest absolute value of the total.
        entry: number of the factor; None where it is the channel's.
    """
    unit, own = site.unit, site.operator.arrays
    multiplier, shift = (own[name] if entry is None else own[name][entry] for name in ("multiplier", "shift"))
    # Adding half a step must not leave 32 bits.
    if (shift < 0).all() and maximum < 2**30:
        down = unit.helper("down", C["down"])
        factor = f"{_entry(unit, multiplier, channel, 'multiplier')}, {_entry(unit, -shift, channel, 'shift')}"
        return f"{down}({total}, {factor})"
    factor = f"{_entry(unit, multiplier, channel, 'multiplier')}, {_entry(unit, shift, channel, 'shift')}"
    return f"{twice(unit)}({total}, {factor})"


def requantised(site: Site, total: str, channel: str, maximum: int) -> str:
    """Expression of the output byte from a sum, for output channel `channel`.

    Multipliers and shifts that are the same for every channel are written as numbers, others as tables.

    Args:
        site: with the operator.
        total: expression of an int32.
        channel: expression of the channel.
        maximum: largest absolute value of the total.
    """
    unit, operator = site.unit, site.operator
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    function = clamp
    if not operator.numbers.get("single", (0,))[0]:
        rounded = rescaled(site, total, channel, maximum)
    else:
        m, s = _entry(unit, multiplier, channel, "multiplier"), _entry(unit, shift, channel, "shift")
        narrow = shift.min() > 31 and shift.max() < 63 and multiplier.max() < 2**31
        function = clamp if narrow else clamp_long
        once = "narrow" if narrow else "once"
        rounded = f"{unit.helper(once, C[once])}({total}, {m}, {s})"
    low, high = unit.whole(operator.low, "low"), unit.whole(operator.high, "high")
    return f"{function(unit)}({rounded}{unit.less(-site.target.zero, 'zero')}, {low}, {high})"


def _entry(unit: Unit, array: NDArray[np.int64], channel: str, role: str) -> str:
    flat = np.ravel(array)
    if unit.slots:
        return f"{unit.table(smallest(flat), role)}[{channel if flat.size > 1 else '0'}]"
    if (flat == flat[0]).all():
        value = int(flat[0])
        return str(value) if abs(value) < 2**31 else f"INT64_C({value})"
    return f"{unit.table(smallest(flat), role)}[{channel}]"


@dataclass(frozen=True)
class Start:
    """What the sums of an operator with weights begin with.

    Attributes:
        bias: int64, one a channel.
        zero: to take off each byte, as C has it; empty where the input's zero point is within the biases.
        most: largest absolute value of a sum.
    """

    bias: NDArray[np.int64]
    zero: str
    most: int


def start_of(site: Site, axis: int, *, padded: bool = False) -> Start:
    """Return biases with the input's zero point folded in, so that bytes multiply as they are.

    It is not where the sums without it could leave 32 bits, or where padding, which stands for the real number 0, lets
    the weights that count differ from place to place.

    Args:
        site: with weights.
        axis: of the output channels in the weights.
        padded: whether any weight can lie outside the image.
    """
    own, zero = site.operator.arrays, site.values[0].zero
    rows = np.moveaxis(own["weights"], axis, 0).astype(np.int64)
    rows = rows.reshape(len(rows), -1)
    size = np.abs(rows).sum(axis=1)
    bias = own["bias"].astype(np.int64).ravel() if "bias" in own else np.zeros(len(rows), np.int64)
    maximum = int((np.abs(bias) + 255 * size).max())
    folded = bias - zero * rows.sum(axis=1)
    if padded or (np.abs(folded) + 128 * size).max() >= 2**31:
        return Start(bias, site.unit.whole(zero) if zero or site.unit.slots else "", maximum)
    return Start(folded, "", maximum)


_TO_BYTE = """\
/* x on a grid: divided in float, halves away from zero; not a number stands for the real number 0. */
static int8_t @_to_byte(float x, float scale, int zero) {
    const float q = x / scale;
    if (!(fabsf(q) < 512.0f)) {
        return (int8_t)(q != q ? zero : q < 0.0f ? -128 : 127);
    }
    const int halves = (int)(2.0f * q), v = (halves + (halves < 0 ? -1 : 1)) / 2 + zero, low = v < -128 ? -128 : v;
    return (int8_t)(low > 127 ? 127 : low);
}"""


def quantise_step(unit: Unit, source: Source, value: IntegerValue) -> Source:
    """Append the step from real numbers to bytes."""
    target = unit.fresh(source.shape, "int8")
    unit.copy(replace(source, text=byte_text(unit, source.text, value)), target)
    return target


def byte_text(unit: Unit, text: str, value: IntegerValue) -> str:
    """Return the C of a real number as a byte."""
    return f"{unit.helper('to_byte', _TO_BYTE)}({text}, {unit.real(value.scale)}, {unit.whole(value.zero)})"


def dequantised(unit: Unit, source: Source, value: IntegerValue, shape: tuple[int, ...]) -> Source:
    """Return the real numbers of bytes, as an expression of the graph's shape; the network has its channels last."""
    last = len(value.shape) == 3
    seen = source.seen(lambda view: (view.reshape(value.shape).transpose(2, 0, 1) if last else view).reshape(shape))
    text = f"({unit.real(value.scale)} * (float)({{0}}{unit.less(value.zero)}))"
    return Source(shape, "float32", seen.leaves, text)
