"""Operators of a .tflite file on single values, and those that pad or reduce along axes."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.core.errors import TfliteError
from edgewright.core.integer.network import BYTES, applied
from edgewright.core.kernels import prepare
from edgewright.core.records.network import Array, IntegerOperator, IntegerValue
from edgewright.graph.from_tflite_file import Operator, Tensor
from edgewright.graph.from_tflite_simplify import reals_of
from edgewright.graph.from_tflite_walk import Walk, activation_of, constant, reads

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
            raise TfliteError("one ADD of 128 to the indices of a table", "another operator", operator.name)
        walk.indices[operator.outputs[0]] = value, 128
        return
    constants = [i for i in operator.inputs if walk.file.tensors[i].array is not None]
    sources = tuple(walk.value(i) for i in operator.inputs if i not in constants)
    if len(constants) == len(sources) == 1:
        with_constant(walk, operator, sources[0], constants[0])
        return
    shapes = str([walk.shape(source) for source in sources])
    if len(sources) != 2 or (walk.values[sources[0]].scale and operator.name in ("SUB", "DIV")):
        raise TfliteError("a sum or product of two values, or a constant", shapes, operator.name)
    if operator.name == "DIV":
        raise TfliteError("a divisor that is constant", "a computed one", operator.name)
    if operator.name == "SUB":
        sources = sources[0], _negative(walk, sources[1])
    # The factor of one row for all positions comes second.
    sources = tuple(sorted(sources, key=lambda number: -int(np.prod(walk.shape(number)))))
    shape, kind = walk.shape(sources[0]), "multiply" if operator.name == "MUL" else "add"
    row = kind == "multiply" and walk.shape(sources[1]) == (1, 1, *shape[2:])
    if walk.shape(sources[1]) != shape and not row:
        raise TfliteError("two values of one shape", shapes, operator.name)
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
        raise TfliteError(f"a number, or one for each of {channels} channels", got, operator.name)
    is_first = walk.file.tensors[operator.inputs[0]].array is not None
    if operator.name == "DIV" and (is_first or walk.values[source].scale):
        raise TfliteError("float values divided by a constant", "another DIV", operator.name)
    if not walk.values[source].scale:
        factor, summand = _line(operator.name, reals_of(constant).ravel(), is_first)
        if not (np.isfinite(factor).all() and np.isfinite(summand).all()):
            raise TfliteError("constants that are finite", repr(constant.name), operator.name)
        _float_line(walk, operator, source, factor, summand)
        return
    array = constant.array
    if array is None or array.dtype != np.int8:
        raise TfliteError("constants of type int8", constant.dtype, operator.name)
    tables = [_table(walk, operator, source, tensor, number, is_first=is_first) for number in array.ravel()]
    if len(tables) == 1:
        walk.add(operator, "table", (source,), shape, arrays={"table": tables[0]})
        return
    if channels > _MOST_TABLES:
        raise TfliteError(f"int8 constants of at most {_MOST_TABLES} channels", str(channels), operator.name)
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
        raise TfliteError("padding of height and width", str(widths), operator.name)
    pairs = pairs[1:]
    # The axis that is not padded comes last; a window has a height of 1.
    kept = next((axis for axis in reversed(range(rank)) if not any(pairs[axis])), -1)
    if kept < 0:
        raise TfliteError("padding of height and width", str(widths), operator.name)
    order = (*(axis for axis in range(rank) if axis != kept), kept)
    out = tuple(length + sum(pair) for length, pair in zip(shape, pairs, strict=True))
    if walk.declared(operator.outputs[0]) != out:
        raise TfliteError(f"the shape {out}", str(walk.declared(operator.outputs[0])), operator.name)
    fill = walk.file.tensors[operator.inputs[2]].array if len(operator.inputs) > 2 else None
    if operator.name == "PADV2" and (fill is None or fill.size != 1):
        raise TfliteError("a constant number to pad with", "a computed one", operator.name)
    spans = [pairs[axis] for axis in order[:-1]]
    (top, bottom), (left, right) = ((0, 0), *spans) if rank == 2 else spans
    if fill is not None and fill.item() != walk.values[source].zero:
        lowest = -128 if walk.values[source].scale else _LOWEST
        if fill.item() > lowest or rank != 3 or kept != 2:
            raise TfliteError(
                "padding with 0, or with the lowest number before a max pool", f"{fill.item():g}", "PADV2"
            )
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
        raise TfliteError("an operator over height and width", f"axes {axes} of {shape}", operator.name)
    turned = walk.transposed(source, (*(axis for axis in range(rank) if axis != kept), kept))
    inner = walk.shape(turned)
    if rank == 2:
        turned, inner = walk.reshaped(turned, (1, *inner)), (1, *inner)
    final = walk.declared(operator.outputs[0])
    if int(np.prod(final)) != inner[2]:
        raise TfliteError(f"{inner[2]} values", f"the shape {final}", operator.name)
    numbers = {} if operator.name == "MEAN" else {**_POINT, "kernel": inner[:2]}
    kind = "mean" if operator.name == "MEAN" else "max_pool"
    walk.add(operator, kind, (turned,), (1, 1, inner[2]), final=final, numbers=numbers)


# The file's gates are input, forget, cell, output; ours input, output, forget, cell.
_ORDER = (0, 3, 1, 2)
_WEIGHTS, _RECURRENT, _BIAS, _STATE, _CELL = 1, 5, 12, 18, 19
_TANH = 4


@reads("UNIDIRECTIONAL_SEQUENCE_LSTM")
def lstm(walk: Walk, operator: Operator) -> None:
    """Every state of a window of one sequence, samples first.

    Raises:
        InputError: for a form that is not the one Keras's LSTM becomes.
    """
    _refuse_other(operator)
    source = walk.value(operator.inputs[0])
    shape = walk.shape(source)
    if len(shape) != 2:
        raise TfliteError("samples and channels", str(shape), operator.name)
    samples, channels = shape
    integer = bool(walk.values[source].scale)
    arrays: dict[str, Array] = {}
    for name, first in (("weights", _WEIGHTS), ("recurrent", _RECURRENT), ("bias", _BIAS)):
        dtype = "int32" if first == _BIAS else "int8"
        tensors = [walk.file.tensors[operator.inputs[first + gate]] for gate in _ORDER]
        parts = [_gate(walk, tensor, dtype if integer else "float32") for tensor in tensors]
        if len({part.shape for part in parts}) != 1:
            raise TfliteError("gates of one size", ", ".join(str(part.shape) for part in parts), operator.name)
        arrays[name] = np.concatenate(parts)
        if integer and first != _BIAS:
            arrays[f"{name.removesuffix('s')}_scale"] = np.array([_scale(t) for t in tensors], np.float32)
    units = arrays["recurrent"].shape[-1]
    if arrays["weights"].shape != (4 * units, channels) or arrays["bias"].shape != (4 * units,):
        raise TfliteError(f"weights for {channels} channels", str(arrays["weights"].shape), operator.name)
    numbers = {"cell": (_exponent(walk, operator) if integer else 0,), "sequence": (1,)}
    clip = _clip(operator)
    if integer and clip:
        # As LiteRT brings it to the cell's step.
        numbers["clip"] = (min(int(np.float32(clip) / np.float32(2.0 ** numbers["cell"][0])), 2**15 - 1),)
    wide = walk.reshaped(source, (1, samples, channels))
    final = (samples, units)
    walk.add(operator, "lstm", (wide,), (1, samples, units), final=final, numbers=numbers, arrays=arrays)


def last_state(walk: Walk, operator: Operator, starts: tuple[int, ...], masks: list[int]) -> bool:
    """Let an LSTM give its last state where a STRIDED_SLICE alone reads it, from -1 on along the samples.

    Args:
        walk: at the slice.
        operator: the slice.
        starts: of its axes.
        masks: of starts, ends, ellipsis, new and dropped axes.

    Returns:
        Whether it was such a slice.
    """
    tensor, last = operator.inputs[0], walk.operators[-2:]
    if [part.kind for part in last] != ["lstm", "reshape"] or last[1].output != walk.value(tensor):
        return False
    samples, units = walk.shape(last[1].output)
    alone = sum(tensor in other.inputs for other in walk.file.operators) == 1 and tensor not in walk.file.outputs
    if not alone or masks != [5, 5, 0, 0, 2] or len(starts) != 3 or starts[1] not in (-1, samples - 1):
        return False
    grids = [
        (part.scale.tolist(), part.zero.tolist())
        for part in (walk.file.tensors[tensor], walk.file.tensors[operator.outputs[0]])
    ]
    if grids[0] != grids[1]:
        return False
    walk.operators.pop()
    numbers = {**last[0].numbers, "sequence": (0,)}
    walk.replace(operator, msgspec.structs.replace(last[0], numbers=numbers), (units,))
    return True


def _gate(walk: Walk, tensor: Tensor, dtype: str) -> Array:
    """Return the constants of a gate; bytes among float values are read as the numbers they stand for."""
    if dtype != "float32" or tensor.dtype != "int8":
        return constant(tensor, dtype, walk.name)
    return constant(tensor, "int8", walk.name).astype(np.float32) * _scale(tensor)


def _refuse_other(operator: Operator) -> None:
    given = [index for index, tensor in enumerate(operator.inputs) if tensor >= 0]
    extra = sorted(set(given) & {9, 10, 11, 16, 17, 20, 21, 22, 23})
    wanted = {0, *range(_WEIGHTS, _WEIGHTS + 8), *range(_BIAS, _BIAS + 4), _STATE, _CELL}
    if extra or not wanted <= set(given):
        got = f"inputs {', '.join(map(str, given))}"
        raise TfliteError("an LSTM of four gates without peepholes, projection and norms", got, operator.name)
    activation = operator.option(0, "i8")
    if activation != _TANH or operator.option(3, "u8"):
        got = f"activation {activation}, time_major {operator.option(3, 'u8')}"
        raise TfliteError("tanh, the batch first", got, operator.name)


def _clip(operator: Operator) -> float:
    """Return where cells end; TensorFlow's converter writes 10, which Keras does not have, and a float one is left out.

    Raises:
        InputError: for one that is no number of cells.
    """
    clip = 0.0 if operator.options is None else float(operator.options.value(1, "f32"))
    if not 0 <= clip < np.inf:
        raise TfliteError("cells that end above 0", f"{clip:g}", operator.name)
    return clip


def _exponent(walk: Walk, operator: Operator) -> int:
    """Return the power of two that is the step of the cell; the state has the grid of the output."""
    places = operator.inputs[_CELL], operator.inputs[_STATE], operator.outputs[0]
    cell, state, given = (walk.file.tensors[i] for i in places)
    step = float(_scale(cell))
    exponent = int(np.rint(np.log2(step)))
    if cell.dtype != "int16" or 2.0**exponent != step or not -15 <= exponent <= -9:
        raise TfliteError("cells of 16 bits in steps of 2**-15 to 2**-9", f"{cell.dtype}, {step:g}", operator.name)
    alike = [state, *(walk.file.tensors[i] for i in operator.between[4:5])]
    if any((_scale(part), _zero(part)) != (_scale(given), _zero(given)) for part in alike):
        raise TfliteError("one scale and zero point of state and output", "two", operator.name)
    return exponent


def _scale(tensor: Tensor) -> np.float32:
    if tensor.scale.size != 1 or not 0 < tensor.scale[0] < np.inf:
        raise TfliteError("one scale above 0", f"{tensor.scale.size} scales", f"tensor {tensor.name!r}")
    return np.float32(tensor.scale[0])


def _zero(tensor: Tensor) -> int:
    return int(tensor.zero[0]) if tensor.zero.size else 0
