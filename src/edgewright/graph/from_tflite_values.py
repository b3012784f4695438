"""Operators of a .tflite file on single values, and those that pad or reduce along axes."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.core.integer.tables import BYTES, applied
from edgewright.core.kernels import prepare
from edgewright.graph.from_tflite_file import Operator
from edgewright.graph.from_tflite_simplify import reals_of
from edgewright.graph.from_tflite_walk import Walk, activation_of, reads
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue

_LOWEST = float(np.finfo(np.float32).min)
_LARGEST_PAD = 1 << 16
# A vector among int8 values is a table for each channel.
_MOST_TABLES = 64
_POINT = {"kernel": (1, 1), "strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}


@reads("ADD", "MUL", "SUB", "DIV")
def two(walk: Walk, operator: Operator) -> None:
    """Compute a value with another one, with a number, or with a number for each channel.

    Raises:
        InputError: for shapes that go together in another way, and for two int8 values that are subtracted or divided.
    """
    if operator.inputs[0] in walk.indices:
        value, offset = walk.indices[operator.inputs[0]]
        if operator.name != "ADD" or offset or activation_of(operator, 0) or walk.integers(operator, 1) != (128,):
            raise InputError("one ADD of 128 to the indices of a table", "another operator", operator.name)
        walk.indices[operator.outputs[0]] = value, 128
        return
    constants = [i for i in operator.inputs if walk.file.tensors[i].array is not None]
    sources = tuple(walk.value(i) for i in operator.inputs if i not in constants)
    if len(constants) == len(sources) == 1:
        with_constant(walk, operator, sources[0], constants[0])
        return
    shapes = str([walk.shape(source) for source in sources])
    if len(sources) != 2 or (walk.values[sources[0]].scale and operator.name in ("SUB", "DIV")):
        raise InputError("a sum or product of two values, or a constant", shapes, operator.name)
    if operator.name == "DIV":
        raise InputError("a divisor that is constant", "a computed one", operator.name)
    if operator.name == "SUB":
        sources = sources[0], _negative(walk, sources[1])
    # The factor of one row for all positions comes second.
    sources = tuple(sorted(sources, key=lambda number: -int(np.prod(walk.shape(number)))))
    shape, kind = walk.shape(sources[0]), "multiply" if operator.name == "MUL" else "add"
    row = kind == "multiply" and walk.shape(sources[1]) == (1, 1, *shape[2:])
    if walk.shape(sources[1]) != shape and not row:
        raise InputError("two values of one shape", shapes, operator.name)
    walk.add(operator, kind, sources, shape, activation=activation_of(operator, 0))


def _negative(walk: Walk, source: int) -> int:
    number = walk.append(IntegerValue(shape=walk.shape(source)))
    constant = {"constant": np.asarray(-1, np.float32)}
    walk.operators.append(IntegerOperator(kind="multiply", inputs=(source,), output=number, arrays=constant))
    return number


def with_constant(walk: Walk, operator: Operator, source: int, tensor: int) -> None:
    """Append the operator of a value and a constant: one number, or one for each channel.

    Among int8 values it is a table for each different number. Among float values of several numbers it is a
    convolution of one position.

    Raises:
        InputError: for constants along other axes, and DIV among int8 values.
    """
    constant = walk.file.tensors[tensor]
    shape, axes = walk.shape(source), [n for n in constant.shape if n != 1]
    channels = shape[-1]
    if axes not in ([], [channels]) or (axes and constant.shape[-1] != channels):
        got = f"shape {constant.shape} of {constant.name!r}"
        raise InputError(f"a number, or one for each of {channels} channels", got, operator.name)
    is_first = walk.file.tensors[operator.inputs[0]].array is not None
    if operator.name == "DIV" and (is_first or walk.values[source].scale):
        raise InputError("float values divided by a constant", "another DIV", operator.name)
    if not walk.values[source].scale:
        factor, summand = _line(operator.name, reals_of(constant).ravel(), is_first)
        if not (np.isfinite(factor).all() and np.isfinite(summand).all()):
            raise InputError("constants that are finite", repr(constant.name), operator.name)
        _float_line(walk, operator, source, factor, summand)
        return
    array = constant.array
    if array is None or array.dtype != np.int8:
        raise InputError("constants of type int8", constant.dtype, operator.name)
    tables = [_table(walk, operator, source, tensor, number, is_first=is_first) for number in array.ravel()]
    if len(tables) == 1:
        walk.add(operator, "table", (source,), shape, arrays={"table": tables[0]})
        return
    if channels > _MOST_TABLES:
        raise InputError(f"int8 constants of at most {_MOST_TABLES} channels", str(channels), operator.name)
    wide = (*(1,) * (3 - len(shape)), *shape)
    flat, parts, axis = walk.reshaped(source, wide), list[int](), (2,)
    part = (*wide[:2], 1)
    for channel, table in enumerate(tables):
        cut = walk.append(msgspec.structs.replace(walk.values[source], shape=part))
        ends: dict[str, tuple[int, ...]] = {"axis": axis, "begin": (channel,), "end": (channel + 1,)}
        walk.operators.append(IntegerOperator(kind="slice", inputs=(flat,), output=cut, numbers=ends))
        parts.append(walk.append(walk.grid(operator.outputs[0], part)))
        looked_up = {"table": table}
        walk.operators.append(IntegerOperator(kind="table", inputs=(cut,), output=parts[-1], arrays=looked_up))
    walk.add(operator, "concat", tuple(parts), wide, final=shape, numbers={"axis": axis})


def _line(name: str, numbers: Array, is_first: bool) -> tuple[Array, Array]:
    """Return factor and summand of an operator with constants; `is_first`: the constant is the first input."""
    one, none = np.ones_like(numbers), np.zeros_like(numbers)
    if name == "MUL":
        return numbers, none
    if name == "ADD":
        return one, numbers
    with np.errstate(all="ignore"):
        if name == "DIV":
            return one / numbers, none
    return (-one, numbers) if is_first else (one, -numbers)


def _float_line(walk: Walk, operator: Operator, source: int, factor: Array, summand: Array) -> None:
    """Append factor * x + summand."""
    shape, activation = walk.shape(source), activation_of(operator, 0)
    if factor.size == 1 and (factor.item() == 1 or summand.item() == 0):
        kind, number = ("add", summand) if factor.item() == 1 else ("multiply", factor)
        constant = {"constant": np.asarray(number, np.float32).reshape(())}
        walk.add(operator, kind, (source,), shape, activation=activation, arrays=constant)
        return
    wide = (*(1,) * (3 - len(shape)), *shape)
    channels = shape[-1]
    arrays = {
        "weights": np.broadcast_to(factor, (channels,)).reshape(1, 1, channels).astype(np.float32),
        "bias": np.broadcast_to(summand, (channels,)).astype(np.float32),
    }
    flat = walk.reshaped(source, wide)
    walk.add(operator, "depthwise", (flat,), wide, final=shape, activation=activation, arrays=arrays, numbers=_POINT)


def _table(walk: Walk, operator: Operator, source: int, tensor: int, number: np.int8, *, is_first: bool) -> Array:
    """Return the table of an operator whose other input is a constant int8 number, by LiteRT's kernels."""
    value, other, entry = walk.values[source], walk.grid(tensor, ()), number
    target = walk.grid(operator.outputs[0], walk.shape(source))
    kind = "multiply" if operator.name == "MUL" else "add"
    if operator.name == "SUB" and is_first:
        value = _turned(value)
    elif operator.name == "SUB":
        other, entry = _turned(other), np.int8(-1 - int(number))
    whole = IntegerOperator(kind=kind, inputs=(0, 1), output=2, activation=activation_of(operator, 0))  # type: ignore[arg-type]
    ready = prepare(whole, (value, other), target, "litert")
    table = applied(ready, [value, other], target, BYTES, np.full(256, entry, np.int8))
    return table[::-1].copy() if operator.name == "SUB" and is_first else table


def _turned(value: IntegerValue) -> IntegerValue:
    """Return the grid on which the byte -1 - b stands for the negative of what b stood for."""
    return msgspec.structs.replace(value, zero=-1 - value.zero)


@reads("PAD", "PADV2")
def pad(walk: Walk, operator: Operator) -> None:
    """Pad two neighboring axes with 0, or with the lowest number before a max pool."""
    source, widths = walk.value(operator.inputs[0]), walk.integers(operator, 1)
    shape, rank = walk.shape(source), len(walk.shape(source))
    pairs = [(before, after) for before, after in zip(widths[::2], widths[1::2], strict=False)]
    good = len(widths) == 2 * (rank + 1) and rank in (2, 3) and all(0 <= n <= _LARGEST_PAD for n in widths)
    if not good or any(pairs[0]):
        raise InputError("padding of height and width", str(widths), operator.name)
    pairs = pairs[1:]
    # The axis that is not padded comes last; a window has a height of 1.
    kept = next((axis for axis in reversed(range(rank)) if not any(pairs[axis])), -1)
    if kept < 0:
        raise InputError("padding of height and width", str(widths), operator.name)
    order = (*(axis for axis in range(rank) if axis != kept), kept)
    out = tuple(length + sum(pair) for length, pair in zip(shape, pairs, strict=True))
    if walk.declared(operator.outputs[0]) != out:
        raise InputError(f"the shape {out}", str(walk.declared(operator.outputs[0])), operator.name)
    fill = walk.file.tensors[operator.inputs[2]].array if len(operator.inputs) > 2 else None
    if operator.name == "PADV2" and (fill is None or fill.size != 1):
        raise InputError("a constant number to pad with", "a computed one", operator.name)
    spans = [pairs[axis] for axis in order[:-1]]
    (top, bottom), (left, right) = ((0, 0), *spans) if rank == 2 else spans
    if fill is not None and fill.item() != walk.values[source].zero:
        lowest = -128 if walk.values[source].scale else _LOWEST
        if fill.item() > lowest or rank != 3 or kept != 2:
            raise InputError("padding with 0, or with the lowest number before a max pool", f"{fill.item():g}", "PADV2")
        walk.lowest[operator.outputs[0]] = source, (top, left, bottom, right)
        return
    turned = walk.transposed(source, order)
    flat = walk.reshaped(turned, (1, *walk.shape(turned))) if rank == 2 else turned
    wide = tuple(out[axis] for axis in order)
    numbers: dict[str, tuple[int, ...]] = {"pads": (top, left, bottom, right)}
    padded = walk.append(msgspec.structs.replace(walk.values[source], shape=(1, *wide) if rank == 2 else wide))
    walk.operators.append(IntegerOperator(kind="pad", inputs=(flat,), output=padded, numbers=numbers))
    padded = walk.reshaped(padded, wide) if rank == 2 else padded
    walk.alias(operator.outputs[0], walk.transposed(padded, tuple(order.index(axis) for axis in range(rank))))


@reads("MEAN", "REDUCE_MAX")
def reduce(walk: Walk, operator: Operator) -> None:
    """Reduce one or two axes, and keep one: over height and width, or over the samples of a window.

    Raises:
        InputError: for other axes.
    """
    source = walk.value(operator.inputs[0])
    shape, axes = walk.shape(source), walk.integers(operator, 1)
    rank = len(shape)
    reduced = sorted({axis % (rank + 1) - 1 for axis in axes})
    # An axis of length 1 may count as reduced.
    free = [axis for axis in range(rank) if axis not in reduced]
    kept = next((axis for axis in free if shape[axis] > 1), free[-1] if free else -1)
    if rank not in (2, 3) or reduced[:1] == [-1] or any(shape[axis] > 1 for axis in free if axis != kept) or kept < 0:
        raise InputError("an operator over height and width", f"axes {axes} of {shape}", operator.name)
    turned = walk.transposed(source, (*(axis for axis in range(rank) if axis != kept), kept))
    inner = walk.shape(turned)
    if rank == 2:
        turned, inner = walk.reshaped(turned, (1, *inner)), (1, *inner)
    final = walk.declared(operator.outputs[0])
    if int(np.prod(final)) != inner[2]:
        raise InputError(f"{inner[2]} values", f"the shape {final}", operator.name)
    numbers = {} if operator.name == "MEAN" else {**_POINT, "kernel": inner[:2]}
    kind = "mean" if operator.name == "MEAN" else "max_pool"
    walk.add(operator, kind, (turned,), (1, 1, inner[2]), final=final, numbers=numbers)
