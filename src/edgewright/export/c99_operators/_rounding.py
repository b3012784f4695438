"""Fixed-point rounding in C, as docs/adr/0010-requantisation.md defines it, and bounds that shorter forms need."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic import twice as round_twice
from edgewright.core.errors import ExportError
from edgewright.core.operators import where
from edgewright.core.records.network import IntegerValue
from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import NOINLINE, smallest
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.recognition import KERNELS
from edgewright.export.c99_operators import Site, Spot, operator

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
        largest: largest absolute value of a sum.
    """

    bias: NDArray[np.int64]
    zero: str
    largest: int


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


def quantise_step(unit: Unit, source: Source, value: IntegerValue) -> Source:
    """Append the step from real numbers to bytes."""
    target = unit.fresh(source.shape, "int8")
    unit.copy(replace(source, text=byte_text(unit, source.text, value)), target)
    return target


def byte_text(unit: Unit, text: str, value: IntegerValue) -> str:
    """Return the C of a real number as a byte."""
    return f"{unit.helper('to_byte', C['to_byte'])}({text}, {unit.real(value.scale)}, {unit.whole(value.zero)})"


def dequantised(unit: Unit, source: Source, value: IntegerValue, shape: tuple[int, ...]) -> Source:
    """Return the real numbers of bytes, as an expression of the graph's shape; the network has its channels last."""
    last = len(value.shape) == 3
    seen = source.seen(lambda view: (view.reshape(value.shape).transpose(2, 0, 1) if last else view).reshape(shape))
    text = f"({unit.real(value.scale)} * (float)({{0}}{unit.less(value.zero)}))"
    return Source(shape, "float32", seen.leaves, text)


def factors_of(site: Site, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return multiplier of so many rows, those without weights included, and shift of its upper 32 bits."""
    own = site.operator.arrays
    rows = []
    for name in ("multiplier", "shift"):
        flat = own[name].astype(np.int64).ravel()
        rows.append(np.concatenate([flat, np.full(max(count - flat.size, 0), flat[0])])[:count])
    return rows[0], rows[1] - 32 if single(site) else -rows[1]


def single(site: Site) -> bool:
    """Return whether the operator rounds once."""
    return bool(site.operator.numbers.get("single", (0,))[0])


def exact(site: Site, sums: NDArray[np.int64], multipliers: NDArray[np.int64], shifts: NDArray[np.int64]) -> bool:
    """Return whether sums are clamped by a byte alone and rounded from the upper 32 bits of a product as from all 64.

    Rounding once needs the lower bits only to tell a tie from less than it: not where no product but 0 ends with 32
    zeros. Rounding twice takes twice the sum, and shifts down.

    Args:
        site: with the operator.
        sums: largest absolute value of each.
        multipliers: of the rows.
        shifts: of the upper 32 bits.
    """
    if (site.operator.low, site.operator.high) != (-128, 127) or multipliers.max() >= 2**31 or multipliers.min() <= 0:
        return False
    if not ((shifts > 0) & (shifts < 32)).all():
        return False
    if not single(site):
        return int(sums.max()) < 2**29
    zeros = max(int(m & -m).bit_length() - 1 for m in multipliers.tolist())
    return int(sums.max()) < 1 << min(32 - zeros, 30)


def settle(
    site: Site, start: Start, rows: NDArray[np.int64], multipliers: NDArray[np.int64], shifts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return biases and weights (channels, inputs) where a byte that never changes has weights of 0.

    Training leaves such channels dead, with factors that no bound holds for.

    Args:
        site: with the operator.
        start: of its sums.
        rows: weights.
        multipliers: of the rows at least; those of such channels are replaced.
        shifts: likewise.
    """
    same = _constant(site, start, rows)
    if not same.any():
        return start.bias, rows
    # Whatever the input, the byte is this: four times what is added to the zero point, over four.
    bias = np.where(same, 4 * (_answers(site, start.bias) - site.target.zero), start.bias)
    multipliers[: len(same)][same], shifts[: len(same)][same] = 2**30, 1
    return bias, np.where(same[:, None], 0, rows)


def _constant(site: Site, start: Start, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether a row's byte is the same for all inputs; one outside an image is the zero point."""
    if single(site):
        return np.zeros(len(rows), np.bool_)
    zero = int(start.zero or 0)
    low, high = (-128 - zero) * rows, (127 - zero) * rows
    low_sum, high_sum = (start.bias + bound(low, high).sum(axis=1) for bound in (np.minimum, np.maximum))
    return np.equal(_answers(site, low_sum), _answers(site, high_sum))


def _answers(site: Site, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bytes of sums, one a channel, rounded twice."""
    own, operator = site.operator.arrays, site.operator
    rounded = round_twice(sums, own["multiplier"].ravel(), own["shift"].ravel()) + site.target.zero
    return np.clip(rounded, operator.low, operator.high)


_FUNCTION = re.compile(r"(?:/\*(?:(?!\*/).)*\*/\n)static (?:void|int) (\w+)\(.*?\n\}", re.DOTALL)
_CALLED = re.compile(r"\b(round_values|count_above|count_kernels)(?=\()")


@operator(KERNELS)
def count_kernels(spot: Spot) -> Source:
    """(1, channels, samples) -> (1, kernels).

    Raises:
        InputError: for tables that are not constant.
    """
    unit = spot.unit
    tables = [table for table in spot.constants[1:] if table is not None]
    if len(tables) != len(spot.inputs) - 1:
        raise ExportError("constant tables of kernels", "others", where(spot.node))
    levels, factors, rows, taps, biases, centres, step = tables
    source = unit.stored(spot.source(0))
    leaf, (channels, samples) = source.leaves[0], source.shape[1:]
    # It stands in the code, so that a slot of flash is not filled with tables of longer kernels than memory is for.
    wide = 4 << int(np.max(rows[:, 0]))
    values, row = (unit.fresh((n,), "int16") for n in (channels * samples, 2 * (samples + wide)))
    target = unit.fresh(spot.shape)
    unit.helper("apart", NOINLINE)
    text = Path(__file__).with_name("kernels.c").read_text(encoding="utf-8")
    for function in _FUNCTION.finditer(text):
        # The inner loop has the registers of a small core for itself.
        unit.helper(function[1], _CALLED.sub(r"@_\1", function[0]).replace("static int ", "@_apart static int "))
    name, (channel, sample) = unit.name, leaf.view.strides[1:]
    first = f"{leaf.buffer.name}{f' + {leaf.offset}' if leaf.offset else ''}"
    scales = [unit.table(levels.astype(np.float32), "levels"), unit.table(factors.astype(np.float32), "factors")]
    unit.step(
        [
            f"{name}_round_values({first}, {channel}, {sample}, {', '.join(scales)}, {spot.node.attributes['limit']},"
            f" {channels}, {samples}, {values.leaves[0].buffer.name});"
        ],
        (source,),
        (values,),
    )
    kernels = {"rows": np.asarray(rows, np.uint8).ravel(), "taps": taps, "biases": biases, "centres": centres}
    names = [unit.table(table, role) for role, table in kernels.items()]
    memory = [s.leaves[0].buffer.name for s in (values, row, target)]
    unit.step(
        [
            f"{name}_count_kernels({memory[0]}, {channels}, {samples}, {names[0]}, {len(rows)}, {', '.join(names[1:])},"
            f" {int(step)}, {wide}, {', '.join(memory[1:])});"
        ],
        (values,),
        (row, target),
    )
    return target
