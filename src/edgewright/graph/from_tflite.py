"""A .tflite file to a network, float or int8, without TensorFlow or LiteRT (docs/adr/0014).

An operator is one decorated function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic import divide_by_power, half_away, quantise_multiplier, twice
from edgewright.core.errors import FileTooLargeError, TfliteDamagedError, TfliteError, error_line
from edgewright.core.integer.network import BYTES, with_rounding, with_tables
from edgewright.core.operators._attributes import same_padding
from edgewright.core.records.network import Array, IntegerNetwork, IntegerValue, Rounding
from edgewright.graph.from_tflite_file import Operator, parse_tflite
from edgewright.graph.from_tflite_values import last_state
from edgewright.graph.from_tflite_values import two as _two  # noqa: F401 - registers the operators of its file
from edgewright.graph.from_tflite_walk import Contents, Walk, activation_of, reads

_LARGEST_FILE = 1 << 28
# What a kernel's preparation gives for scales no writer makes: the file is damaged.
_MISFIT = (ValueError, OverflowError, ArithmeticError, IndexError)
_SAME = 0
Numbers = dict[str, tuple[int, ...]]


def read_tflite(source: Path | str | bytes, name: str = "", *, rounding: Rounding = "litert") -> IntegerNetwork:
    """Read a .tflite model with one output as a network.

    Args:
        source: path of the file, or its bytes.
        name: name of the model; the file's name when empty.
        rounding: which kernels an int8 network equals, 'litert' or 'tflm'; a float one has 'none'.

    Returns:
        The network. Its input is shaped as the file has it, channels last and without the batch axis. Float or uint8
        ends (QUANTIZE and DEQUANTIZE) of an int8 model are left to the caller: the network goes from int8 to int8.

    Raises:
        InputError: in one line: damaged bytes, an operator that is not known (with its outputs), another type than
            float32 and int8, weights that are not numbers, several outputs, or float operators after int8 ones.
    """
    contents = read_contents(source, name, rounding=rounding)
    if not contents.is_network:
        got = f"{len(contents.outputs)} outputs" if len(contents.outputs) > 1 else f"{contents.tails[0][0]} of float32"
        do = "Import the whole file as a graph (export, prove)"
        raise TfliteError("a network with one output", got, f"model {contents.network.name}", do)
    return contents.network


def read_contents(source: Path | str | bytes, name: str = "", *, rounding: Rounding = "litert") -> Contents:
    """Read a .tflite model: its network, all outputs, and the functions of real values after an int8 network.

    Args and errors are those of `read_tflite`.
    """
    data = source if isinstance(source, bytes) else _file(Path(source))
    title = name or ("model" if isinstance(source, bytes) else Path(source).stem)
    contents = Walk(parse_tflite(data), title).read()
    network = contents.network
    if not network.values[network.output].scale:
        return contents
    try:
        with np.errstate(all="ignore"):
            network = with_tables(with_rounding(network, rounding), contents.outputs)
    except _MISFIT as error:
        raise TfliteError("scales a kernel can have", error_line(error), f"model {title}") from None
    return replace(contents, network=network)


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise FileTooLargeError("a model of at most 256 MiB", f"{path.stat().st_size} bytes", str(path))
        return path.read_bytes()
    except OSError as error:
        raise TfliteDamagedError("a .tflite file", error.strerror or str(error), str(path)) from None


def _placed(operator: Operator, shape: tuple[int, ...], kernel: tuple[int, int], steps: tuple[int, ...]) -> Numbers:
    """Kernel, strides, dilations and pads (top, left, bottom, right); `steps`: strides, dilations.

    Raises:
        InputError: for a kernel that does not fit.
    """
    if len(shape) != 3 or min((*kernel, *steps)) < 1 or max((*kernel, *steps)) > 1 << 16:
        raise TfliteError("height, width and channels, and steps from 1", f"{shape}, {kernel}, {steps}", operator.name)
    (sh, sw), dilations, pads = steps[:2], steps[2:], (0, 0, 0, 0)
    if operator.placement is not None:
        dilations, pads = operator.placement.dilations, operator.placement.pads
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if operator.option(0, "i8") == _SAME and operator.placement is None:
        (top, bottom), (left, right) = map(same_padding, shape[:2], kernel, (sh, sw), dilations)
        pads = (top, left, bottom, right)
    if any(n + pads[i] + pads[i + 2] < e for i, (n, e) in enumerate(zip(shape[:2], extent, strict=True))):
        raise TfliteError("a kernel within its input", f"{kernel} on {shape[:2]}", operator.name)
    return {"kernel": kernel, "strides": (sh, sw), "dilations": (dilations[0], dilations[1]), "pads": pads}


def _positions(shape: tuple[int, ...], numbers: Numbers) -> tuple[int, int]:
    top, left, bottom, right = numbers["pads"]
    lengths = (shape[0] + top + bottom, shape[1] + left + right)
    parts = zip(lengths, numbers["kernel"], numbers["strides"], numbers["dilations"], strict=True)
    rows, columns = ((n - ((k - 1) * d + 1)) // s + 1 for n, k, s, d in parts)
    return rows, columns


@reads("FULLY_CONNECTED")
def dense(walk: Walk, operator: Operator) -> None:
    """Rows of features; other shapes are flattened first, as the kernel does."""
    source = walk.value(operator.inputs[0])
    arrays = walk.weights(operator, 2, 0)
    rows, columns = arrays["weights"].shape
    if operator.option(1, "i8"):
        raise TfliteError("weights in the usual order", "shuffled ones", operator.name)
    shape = walk.shape(source)
    if len(shape) != 1:
        source = walk.reshaped(source, (int(np.prod(shape)),))
    if walk.shape(source) != (columns,):
        raise TfliteError(f"{columns} features", str(shape), operator.name)
    walk.add(operator, "dense", (source,), (rows,), activation=activation_of(operator, 0), arrays=arrays)


@reads("CONV_2D")
def conv(walk: Walk, operator: Operator) -> None:
    """Weights (filters, height, width, channels of the group)."""
    source = walk.value(operator.inputs[0])
    shape, arrays = walk.shape(source), walk.weights(operator, 4, 0)
    filters, kh, kw, depth = arrays["weights"].shape
    steps = (operator.option(2), operator.option(1), operator.option(5, default=1), operator.option(4, default=1))
    numbers = _placed(operator, shape, (kh, kw), steps)
    groups = shape[2] // depth if depth else 0
    if groups < 1 or groups * depth != shape[2] or filters % groups:
        raise TfliteError(f"{depth} channels or a multiple", str(shape[2]), operator.name)
    numbers["groups"] = (groups,)
    activation, out = activation_of(operator, 3), (*_positions(shape, numbers), filters)
    walk.add(operator, "conv", (source,), out, activation=activation, arrays=arrays, numbers=numbers)


@reads("DEPTHWISE_CONV_2D")
def depthwise(walk: Walk, operator: Operator) -> None:
    """Weights (1, height, width, filters)."""
    source = walk.value(operator.inputs[0])
    shape, arrays = walk.shape(source), walk.weights(operator, 4, 3)
    batch, kh, kw, filters = arrays["weights"].shape
    steps = (operator.option(2), operator.option(1), operator.option(6, default=1), operator.option(5, default=1))
    numbers = _placed(operator, shape, (kh, kw), steps)
    if batch != 1 or not shape[2] or filters % shape[2]:
        raise TfliteError(f"filters for each of {shape[2]} channels", f"{filters}", operator.name)
    arrays["weights"] = arrays["weights"][0]
    activation, out = activation_of(operator, 4), (*_positions(shape, numbers), filters)
    walk.add(operator, "depthwise", (source,), out, activation=activation, arrays=arrays, numbers=numbers)


@reads("AVERAGE_POOL_2D", "MAX_POOL_2D")
def pool(walk: Walk, operator: Operator) -> None:
    """Read a pool; its padding does not count, and may be a PADV2 with the lowest number before a max pool."""
    largest, tensor = operator.name == "MAX_POOL_2D", operator.inputs[0]
    source, more = walk.lowest[tensor] if largest and tensor in walk.lowest else (walk.value(tensor), (0, 0, 0, 0))
    shape = walk.shape(source)
    wide = (*(n + a + b for n, a, b in zip(shape, more[:2], more[2:], strict=False)), *shape[2:])
    kernel = (operator.option(4), operator.option(3))
    numbers = _placed(operator, wide, kernel, (operator.option(2), operator.option(1), 1, 1))
    numbers["pads"] = tuple(a + b for a, b in zip(numbers["pads"], more, strict=True))
    activation, out = activation_of(operator, 5), (*_positions(shape, numbers), shape[2])
    kind = "max_pool" if largest else "average_pool"
    walk.add(operator, kind, (source,), out, activation=activation, numbers=numbers)


@reads("STRIDED_SLICE")
def places(walk: Walk, operator: Operator) -> None:
    """Every so many places of a mean that was taken at all of them: its strides, and less padding.

    Raises:
        InputError: for any other slice.
    """
    source = walk.value(operator.inputs[0])
    before = walk.operators[-1] if walk.operators else None
    begin, end, steps = (walk.integers(operator, index) for index in (1, 2, 3))
    masks = [operator.option(field) for field in range(5)]
    if last_state(walk, operator, begin, masks):
        return
    pooled = before is not None and before.output == source and before.kind == "average_pool"
    if before is None or not pooled or any(masks) or {len(begin), len(end), len(steps)} != {4}:
        raise TfliteError("STRIDED_SLICE of the places of an AVERAGE_POOL_2D", "another one", operator.name)
    shape, inner = walk.shape(source), walk.shape(before.inputs[0])
    whole = (begin[0], begin[3], end[0], end[3], steps[0], steps[3]) == (0, 0, 1, shape[2], 1, 1)
    good = all(0 <= b < e <= n and s > 0 for b, e, s, n in zip(begin[1:3], end[1:3], steps[1:3], shape, strict=False))
    if not whole or not good or before.numbers["strides"] != (1, 1):
        raise TfliteError("a slice of height and width", f"{begin} to {end} by {steps}", operator.name)
    out = tuple(-(-(e - b) // s) for b, e, s in zip(begin[1:3], end[1:3], steps[1:3], strict=True))
    pads = before.numbers["pads"]
    first = [pads[i] - begin[i + 1] for i in range(2)]
    last = [(out[i] - 1) * steps[i + 1] + before.numbers["kernel"][i] - inner[i] - first[i] for i in range(2)]
    numbers = {**before.numbers, "strides": steps[1:3], "pads": (*first, *(max(0, n) for n in last))}
    if min(first) < 0 or _positions(inner, numbers) != out:
        raise TfliteError("a slice that begins within the padding", f"{begin} to {end}", operator.name)
    walk.replace(operator, msgspec.structs.replace(before, numbers=numbers), (*out, shape[2]))


@reads("SLICE")
def cut(walk: Walk, operator: Operator) -> None:
    """Neighbours along one axis that is not the batch."""
    source, begin, size = walk.value(operator.inputs[0]), walk.integers(operator, 1), walk.integers(operator, 2)
    shape = walk.shape(source)
    if {len(begin), len(size)} != {len(shape) + 1} or begin[0] or size[0] not in (-1, 1):
        raise TfliteError("a SLICE that keeps the batch axis", f"{begin}, {size}", operator.name)
    lengths = tuple(n - b if s == -1 else s for n, b, s in zip(shape, begin[1:], size[1:], strict=True))
    good = all(b >= 0 and s > 0 and b + s <= n for n, b, s in zip(shape, begin[1:], lengths, strict=True))
    axes = [axis for axis, length in enumerate(lengths) if length != shape[axis]] or [0]
    if not good or len(axes) > 1:
        raise TfliteError("a SLICE along one axis, within its input", f"{begin}, {size} of {shape}", operator.name)
    first = begin[axes[0] + 1]
    numbers = {"axis": (axes[0],), "begin": (first,), "end": (first + lengths[axes[0]],)}
    walk.add(operator, "slice", (source,), lengths, numbers=numbers)


@reads("RELU", "RELU6", "LOGISTIC")
def by_itself(walk: Walk, operator: Operator) -> None:
    """Activations that no other operator took in."""
    source = walk.value(operator.inputs[0])
    kind, activation = ("logistic", "") if operator.name == "LOGISTIC" else ("relu", operator.name.lower())
    walk.add(operator, kind, (source,), walk.shape(source), activation=activation)


@reads("ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "TANH")
def unary(walk: Walk, operator: Operator) -> None:
    """Functions of one number: of a byte they are a table."""
    source = walk.value(operator.inputs[0])
    value, shape = walk.values[source], walk.shape(source)
    if value.scale:
        table = table_of(operator, value, walk.grid(operator.outputs[0], shape))
        walk.add(operator, "table", (source,), shape, arrays={"table": table})
        return
    arrays = {"alpha": np.asarray(alpha_of(operator), np.float32)} if operator.name == "LEAKY_RELU" else {}
    numbers = {"approximate": (int(bool(operator.option(0, "u8"))),)} if operator.name == "GELU" else {}
    walk.add(operator, operator.name.lower(), (source,), shape, arrays=arrays, numbers=numbers)


@reads("CAST")
def cast(walk: Walk, operator: Operator) -> None:
    """Bytes that become the indices of a table."""
    kinds = tuple(walk.file.tensors[i].dtype for i in (operator.inputs[0], operator.outputs[0]))
    if kinds != ("int8", "int32"):
        raise TfliteDamagedError(
            "a CAST of bytes to int32, which a table is looked up by", " to ".join(kinds), operator.name
        )
    walk.indices[operator.outputs[0]] = walk.value(operator.inputs[0]), 0


@reads("GATHER")
def gather(walk: Walk, operator: Operator) -> None:
    """Look bytes up in a table of 256, as a function of one byte is written.

    Raises:
        InputError: for any other choice of entries.
    """
    if len(operator.inputs) != 2:
        raise TfliteError("a GATHER of entries by indices", f"{len(operator.inputs)} inputs", operator.name)
    table, (source, offset) = walk.file.tensors[operator.inputs[0]].array, walk.indices.get(operator.inputs[1], (-1, 0))
    if not offset or table is None or table.shape != (256,) or table.dtype != np.int8:
        raise TfliteDamagedError("a GATHER of 256 bytes by bytes, to which 128 is added", "another one", operator.name)
    walk.add(operator, "table", (source,), walk.shape(source), arrays={"table": table})


@reads("SOFTMAX")
def softmax(walk: Walk, operator: Operator) -> None:
    """Over the last axis, beta 1."""
    source = walk.value(operator.inputs[0])
    beta = 0.0 if operator.options is None else operator.options.value(0, "f32")
    if beta != 1.0:
        raise TfliteError("beta 1", f"{beta:g}", operator.name)
    walk.add(operator, "softmax", (source,), walk.shape(source))


@reads("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(walk: Walk, operator: Operator) -> None:
    """Read a reshape to the shape of the output, without the operators that compute it."""
    source, shape = walk.value(operator.inputs[0]), walk.declared(operator.outputs[0])
    if int(np.prod(shape)) != int(np.prod(walk.shape(source))):
        raise TfliteError(f"{int(np.prod(walk.shape(source)))} values", f"the shape {shape}", operator.name)
    walk.alias(operator.outputs[0], walk.reshaped(source, shape))


@reads("TRANSPOSE")
def transpose(walk: Walk, operator: Operator) -> None:
    """Read a transpose; the batch axis stays first."""
    source, order = walk.value(operator.inputs[0]), walk.integers(operator, 1)
    shape = walk.shape(source)
    if sorted(order) != list(range(len(shape) + 1)) or order[0] != 0:
        do = "Convert the model with the batch axis first; of an LSTM or a GRU, import its .onnx"
        raise TfliteError("an order that keeps the batch axis", str(order), operator.name, do)
    walk.alias(operator.outputs[0], walk.transposed(source, tuple(axis - 1 for axis in order[1:])))


@reads("CONCATENATION")
def concat(walk: Walk, operator: Operator) -> None:
    """Along any axis but the batch."""
    sources = tuple(walk.value(i) for i in operator.inputs)
    shapes = [walk.shape(s) for s in sources]
    axis = operator.option(0)
    axis = axis - 1 if axis > 0 else axis + len(shapes[0])
    rest = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if not 0 <= axis < len(shapes[0]) or len(rest) != 1 or activation_of(operator, 1):
        raise TfliteError("values that join along an axis", str(shapes), operator.name)
    out = (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])
    walk.add(operator, "concat", sources, out, numbers={"axis": (axis,)})


@reads("QUANTIZE")
def quantise(walk: Walk, operator: Operator) -> None:
    """From bytes to bytes; from float at the model's own input it is where the network begins."""
    if operator.inputs[0] == walk.file.inputs[0] and walk.file.tensors[operator.inputs[0]].dtype == "float32":
        walk.begin(operator.outputs[0])
        return
    source = walk.value(operator.inputs[0])
    value = walk.values[source]
    target = walk.grid(operator.outputs[0], value.shape)
    if (value.scale, value.zero) == (target.scale, target.zero):
        walk.alias(operator.outputs[0], source)
    else:
        walk.add(operator, "quantise", (source,), value.shape)


@reads("DEQUANTIZE")
def dequantise(walk: Walk, operator: Operator) -> None:
    """Refuse int8 values that float operators read: the ends of the model are no operators of the network.

    Raises:
        InputError: naming the operators.
    """
    readers = {other.name for other in walk.file.operators if operator.outputs[0] in other.inputs}
    do = "Quantize these operators, too, or convert the model with float values"
    raise TfliteError("int8 values up to the end", f"float32 in {', '.join(sorted(readers))}", operator.name, do)


# Bits that hard_swish adds to a byte before it multiplies in 16 bits.
_HIGH_BITS = 7
_SHORT_MAX = 2**15 - 1


def table_of(operator: Operator, source: IntegerValue, target: IntegerValue) -> NDArray[np.int8] | None:
    """Return the table of an operator, an entry for each of `BYTES`; None where there is no such function.

    Args:
        operator: of the file, with its options.
        source: grid before.
        target: grid after.
    """
    x = BYTES.astype(np.int64) - source.zero
    if operator.name == "HARD_SWISH":
        steps = _hard_swish(x, np.float32(source.scale), np.float32(target.scale))
    elif operator.name == "LEAKY_RELU":
        ratio = np.float32(source.scale) / np.float32(target.scale)
        below = np.float32(source.scale) * np.float32(alpha_of(operator)) / np.float32(target.scale)
        steps = np.where(x >= 0, twice(x, *quantise_multiplier(ratio)), twice(x, *quantise_multiplier(below)))
    elif operator.name in _OF_REALS or operator.name == "GELU":
        function = _gelu(operator) if operator.name == "GELU" else _OF_REALS[operator.name]
        reals = np.float32(source.scale) * x.astype(np.float32)
        with np.errstate(all="ignore"):
            values = function(reals.astype(np.float64)).astype(np.float32)
            steps = half_away(values * (np.float32(1) / np.float32(target.scale)))
        steps = np.nan_to_num(steps, nan=-512.0, neginf=-512.0, posinf=512.0).clip(-512, 512)
    else:
        return None
    return np.asarray(np.clip(steps + target.zero, -128, 127), np.int8)


def alpha_of(operator: Operator) -> float:
    """Return the slope of a LEAKY_RELU below 0."""
    return 0.0 if operator.options is None else operator.options.value(0, "f32")


def _gelu(operator: Operator) -> Callable[[Array], Array]:
    if operator.option(0, "u8"):
        slope = math.sqrt(2 / math.pi)
        return lambda x: 0.5 * x * (1 + np.tanh(slope * (x + 0.044715 * x**3)))
    return lambda x: 0.5 * x * (1 + np.asarray([math.erf(v / math.sqrt(2)) for v in x]))


_OF_REALS: dict[str, Callable[[Array], Array]] = {
    "ELU": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "EXP": np.exp,
    "LOG": np.log,
    "TANH": np.tanh,
}


def _hard_swish(x: NDArray[np.int64], scale: np.float32, target: np.float32) -> NDArray[np.int64]:
    """X * relu6(x + 3) / 6 in 16 bits: the gate is a number from 0 to 2**15."""
    fine = scale * np.float32(1 / 128)
    (output, down), (gate, up) = (_short(factor) for factor in (fine / target, fine / np.float32(3 / 32768)))
    raised = x << _HIGH_BITS
    opened = raised
    if up > 0:
        opened = np.clip(opened << (up - 1), -_SHORT_MAX - 1, _SHORT_MAX)
    opened = _high(opened, gate)
    opened = np.clip(opened << 1, -_SHORT_MAX - 1, _SHORT_MAX) if up > 0 else divide_by_power(opened, -up)
    product = ((opened + 2**15) >> 1) * _high(raised, output)
    # What is left over is cut off towards zero.
    shown = np.sign(product) * (np.abs(product) >> 15)
    return np.asarray(divide_by_power(shown, -down), np.int64)


def _short(factor: np.float32) -> tuple[int, int]:
    """Return a factor as a multiplier of 15 bits and a power of two."""
    multiplier, shift = quantise_multiplier(factor)
    return min((int(multiplier[0]) + (1 << 15)) >> 16, _SHORT_MAX), int(shift[0])


def _high(x: NDArray[np.int64], multiplier: int) -> NDArray[np.int64]:
    """Return the upper 16 bits of twice a product, rounded half away from zero as C's division cuts."""
    product = x * multiplier
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.asarray(np.sign(nudged) * (np.abs(nudged) >> 15), np.int64)
