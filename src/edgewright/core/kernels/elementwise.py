"""Kernels of single values, and kernels that move bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from edgewright.core.arithmetic import (
    INT32_MAX,
    divide_by_power,
    exp_of_negative,
    half_away,
    high_product,
    logistic,
    one_over_one_plus,
    quantise_multiplier,
    twice,
)
from edgewright.core.errors import Int8Error
from edgewright.core.kernels import (
    Function,
    Kernel,
    Site,
    clamped,
    extended,
    finished,
    on_one_grid,
    register,
    same_grid,
)
from edgewright.core.kernels.weighted import byte_table, padded
from edgewright.core.operators import where
from edgewright.core.records.network import Array, IntegerOperator, IntegerValue, Rounding

# Sum of two values: both brought to twice the larger scale with 20 more bits, added, brought to the output's scale.

# Bits of fraction while adding: 255 << 20 fits into 32 bits with the sum's bit to spare.
EXTRA_BITS = 20


def _read(kind: str, site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Return an operator without numbers of its own, whose output has the shape of its input."""
    return IntegerOperator(kind=kind, inputs=(), output=-1), site.source.shape


def _prepare_add(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return multipliers of the first, the second and the output, all from float64; the same for both roundings."""
    scales = [np.float64(np.float32(v.scale)) for v in inputs]
    maximum = 2.0 * max(scales)
    target = np.float64(np.float32(output.scale)) * (1 << EXTRA_BITS)
    multiplier, shift = quantise_multiplier(np.array([scales[0] / maximum, scales[1] / maximum, maximum / target]))
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_add(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """Two of (n, *shape) -> (n, *shape), from a table of every pair of bytes."""
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    parts = [
        twice((np.arange(-128, 128) - value.zero) << EXTRA_BITS, multiplier[i], shift[i])
        for i, value in enumerate(inputs)
    ]
    total = parts[0][:, None] + parts[1]
    table = finished(twice(total, multiplier[2], shift[2]), operator, output)
    table = np.roll(table, (-128, -128), axis=(0, 1)).ravel()

    def run(a: Array, b: Array) -> Array:
        pair = np.ascontiguousarray(a).view(np.uint8).astype(np.intp)
        pair <<= 8
        pair |= np.ascontiguousarray(b).view(np.uint8)
        return np.take(table, pair)

    return run


register("add")(Kernel(_build_add, prepare=_prepare_add, read=partial(_read, "add"), onnx=("Add",)))


# Product of two values, the second of them perhaps one row of channels for all places.


def _prepare_multiply(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the multiplier of both scales over the output's, from float64; the same for both roundings."""
    first, second, target = (np.float64(np.float32(value.scale)) for value in (*inputs, output))
    multiplier, shift = quantise_multiplier(first * second / target)
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_multiply(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) times (n, *shape) or (n, 1, 1, channels) -> (n, *shape)."""
    zeros = [value.zero for value in inputs]
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]

    def run(a: Array, b: Array) -> Array:
        product = (a.astype(np.int64) - zeros[0]) * (b.astype(np.int64) - zeros[1])
        return finished(twice(product, multiplier, shift), operator, output)

    return run


def _read_multiply(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Mul whose first factor has the shape of the product.

    Raises:
        InputError: for another order, or shapes that need rows of both.
    """
    if site.graph_shape != site.graph_out:
        raise Int8Error("a product with the shape of its first factor", str(site.graph_out), where(site.node))
    return _read("multiply", site)


register("multiply")(Kernel(_build_multiply, prepare=_prepare_multiply, read=_read_multiply, onnx=("Mul",)))


# ReLU and ReLU6 that no other operator takes in: another scale, rounded twice, and a clamp.


def _read_relu(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Relu, or Clip from 0 to 6."""
    kind = "relu" if site.node.op == "Relu" else "relu6"
    operator = IntegerOperator(kind="relu", inputs=(), output=-1, activation=kind)  # type: ignore[arg-type]
    return operator, site.source.shape


def _prepare_relu(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the multiplier of the float32 quotient of the scales; TFLM's ReLU6 has none and keeps the scale."""
    if rounding == "tflm" and operator.activation == "relu6":
        same_grid(inputs, output, "relu6")
    multiplier, shift = quantise_multiplier(np.float64(np.float32(inputs[0].scale) / np.float32(output.scale)))
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_requantised(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    x = np.arange(-128, 128) - inputs[0].zero
    return byte_table(finished(twice(x, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output))


register("relu")(Kernel(_build_requantised, prepare=_prepare_relu, read=_read_relu, onnx=("Relu", "Clip")))


# From one grid of bytes to another, rounded twice.


def _prepare_quantise(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    ratio = np.float64(np.float32(inputs[0].scale)) / np.float64(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(ratio)
    return extended(operator, multiplier=multiplier, shift=shift)


register("quantise")(Kernel(_build_requantised, prepare=_prepare_quantise))


# Logistic function: a table of 256 bytes. LiteRT fills it in float32, TFLM computes in fixed point.

INTEGER_BITS = 4


def _prepare_logistic(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the table, first entry for -128.

    Raises:
        InputError: when the output's scale is not 1/256 or its zero point not -128.
    """
    if (output.scale, output.zero) != (1.0 / 256.0, -128):
        raise Int8Error("scale 1/256 and zero point -128", f"{output.scale:g} and {output.zero}", "logistic")
    x = np.arange(-128, 128) - inputs[0].zero
    scale = np.float32(inputs[0].scale)
    table = _floats(x, scale) if rounding == "litert" else _fixed(x, scale)
    return extended(operator, table=np.clip(table - 128, -128, 127).astype(np.int8))


def _floats(x: Array, scale: np.float32) -> Array:
    real = scale * x.astype(np.float32)
    # The C library's expf is right to the last digit nearly always; NumPy's float32 exp is not.
    with np.errstate(over="ignore"):
        power = np.exp(-real.astype(np.float64)).astype(np.float32)
    unit = np.float32(1)
    return half_away(unit / (unit + power) * np.float32(256)).astype(np.int64)


def _fixed(x: Array, scale: np.float32) -> Array:
    fraction, exponent = np.frexp(np.float64(scale) * 2.0 ** (31 - INTEGER_BITS))
    multiplier, shift = int(np.floor(fraction * 2.0**31 + 0.5)), int(exponent)
    radius = int(np.floor((2.0**INTEGER_BITS - 1) * 2.0 ** (31 - INTEGER_BITS) / 2.0**shift))
    inner = np.abs(x) < radius
    raised = twice(np.where(inner, x, 0), multiplier, shift)
    value = divide_by_power(logistic(raised, INTEGER_BITS), 31 - 8)
    return np.where(inner, value, np.where(x > 0, 255, 0))


def _build_table(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    return byte_table(operator.arrays["table"])


register("logistic")(
    Kernel(
        _build_table,
        prepare=_prepare_logistic,
        read=partial(_read, "logistic"),
        onnx=("Sigmoid",),
    )
)


# Any function of one byte: `arrays['table']`, first entry for -128. It is worked out where the network is read.
register("table")(Kernel(_build_table))


# Softmax over the last axis in fixed point; LiteRT's reference kernel and TFLM do the same.

DIFFERENCE_BITS = 5
SUM_BITS = 12


def _prepare_softmax(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return a table of exp(difference) for differences 0 to -255, 0 where it is too small to count.

    Raises:
        InputError: when the output's scale is not 1/256 or its zero point not -128.
    """
    if (output.scale, output.zero) != (1.0 / 256.0, -128):
        raise Int8Error("scale 1/256 and zero point -128", f"{output.scale:g} and {output.zero}", "softmax")
    real = min(np.float64(np.float32(inputs[0].scale)) * 2.0 ** (31 - DIFFERENCE_BITS), 2.0**31 - 1.0)
    multiplier, shift = quantise_multiplier(real)
    smallest = np.floor((2.0**DIFFERENCE_BITS - 1) * 2.0 ** (31 - DIFFERENCE_BITS) / 2.0 ** int(shift[0]))
    down = np.arange(256, dtype=np.int64)
    counted = down <= smallest
    raised = high_product(np.where(counted, -down, 0) << shift, multiplier)
    table = np.where(counted, exp_of_negative(raised, DIFFERENCE_BITS), -1)
    return extended(operator, table=table.astype(np.int64))


def _build_softmax(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    table = operator.arrays["table"]

    def run(x: Array) -> Array:
        x = x.astype(np.int64)
        powers = table[x.max(axis=-1, keepdims=True) - x]
        counted = powers >= 0
        total = np.where(counted, divide_by_power(powers, SUM_BITS), 0).sum(axis=-1, keepdims=True)
        # frexp gives the number of bits of a whole number.
        headroom = 32 - np.frexp(total)[1].astype(np.int64)
        reciprocal = one_over_one_plus((total << headroom) - (1 << 31))
        exponent = SUM_BITS - headroom + 31 - 8
        value = divide_by_power(high_product(reciprocal, np.minimum(powers, INT32_MAX)), exponent)
        return np.where(counted, np.clip(value - 128, -128, 127), -128).astype(np.int8)

    return run


register("softmax")(Kernel(_build_softmax, prepare=_prepare_softmax, read=partial(_read, "softmax"), onnx=("Softmax",)))


# Another shape, the same bytes.
register("reshape")(Kernel(lambda _operator, _inputs, output: lambda x: x.reshape(len(x), *output.shape)))


# Axes in another order, the same bytes: `numbers['order']`, without the batch axis.


def _build_transpose(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape in the other order)."""
    axes = (0, *(axis + 1 for axis in operator.numbers["order"]))
    return lambda x: x.transpose(axes)


register("transpose")(Kernel(_build_transpose))


# Values one after the other along `numbers['axis']`, without the batch axis; all have one scale.


def _read_concat(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Concat along the channels or the places.

    Raises:
        InputError: for the batch axis, or features whose order in the graph is another.
    """
    rank = len(site.graph_out)
    axis = int(site.node.attributes["axis"])  # type: ignore[arg-type]
    axis = axis - 1 if axis > 0 else axis + rank
    if not 0 <= axis < rank or site.order is not None:
        raise Int8Error("features or windows that join along an axis", f"axis {axis}", where(site.node))
    index = _channels_last(axis, rank)
    shape = list(site.source.shape)
    shape[index] = site.graph_out[axis]
    return IntegerOperator(kind="concat", inputs=(), output=-1, numbers={"axis": (index,)}), tuple(shape)


def _channels_last(axis: int, rank: int) -> int:
    """Return where an axis of the graph is here: its channels come last, a window of one row has a height of 1."""
    return axis if rank == 1 else (2 if axis == 0 else axis + 2 - rank)


register("concat")(
    Kernel(
        lambda operator, _inputs, _output: lambda *arrays: np.concatenate(arrays, axis=operator.numbers["axis"][0] + 1),
        prepare=on_one_grid,
        read=_read_concat,
        onnx=("Concat",),
    )
)


# Neighbours along one axis, the same bytes: `numbers` axis (without the batch axis), begin, end.


def _read_slice(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Slice along one axis, in steps of one.

    Raises:
        InputError: for computed ends, several axes, or other steps.
    """
    parts = [site.constants.get(slot) for slot in (1, 2, 3)]
    steps = site.constants.get(4)
    if any(part is None or part.size != 1 for part in parts) or (steps is not None and steps.tolist() != [1]):
        raise Int8Error("a Slice along one axis in steps of 1", "another", where(site.node))
    begin, end, axis = (int(part.ravel()[0]) for part in parts if part is not None)
    rank = len(site.graph_shape)
    axis = (axis - 1) % (rank + 1)
    length = site.graph_shape[axis] if axis < rank else 0
    begin, end = (min(length, n + length if n < 0 else n) for n in (begin, end))
    if not 0 <= begin < end or site.order is not None:
        raise Int8Error("a Slice of features or of a window", f"{begin} to {end} of {length}", where(site.node))
    index = _channels_last(axis, rank)
    shape = list(site.source.shape)
    shape[index] = end - begin
    numbers: dict[str, tuple[int, ...]] = {"axis": (index,), "begin": (begin,), "end": (end,)}
    return IntegerOperator(kind="slice", inputs=(), output=-1, numbers=numbers), tuple(shape)


def _build_slice(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape with the axis cut)."""
    (axis,), (begin,), (end,) = (operator.numbers[name] for name in ("axis", "begin", "end"))
    cut = (*(slice(None),) * (axis + 1), slice(begin, end))
    return lambda x: x[cut]


register("slice")(Kernel(_build_slice, prepare=on_one_grid, read=_read_slice, onnx=("Slice",)))


# The integer of the real number 0 around height and width: `numbers['pads']` top, left, bottom, right.


def _read_pad(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Pad with zeros after the channels of one or two axes.

    Raises:
        InputError: for another mode or number, computed widths, or padding of the batch or the channels.
    """
    widths, mode = site.constants.get(1), site.node.attributes.get("mode", "constant")
    rank = len(site.graph_shape) + 1
    fill = site.constants.get(2, np.zeros(1))
    # On bytes the zero point is what stands for 0.
    zero = site.source.zero if fill.dtype == np.int8 else 0
    if mode != "constant" or widths is None or widths.size != 2 * rank or np.any(fill != zero):
        raise Int8Error("padding with a constant number of zeros", f"mode {mode}", where(site.node))
    before, after = (tuple(int(n) for n in half) for half in widths.reshape(2, -1))
    if any((*before[:2], *after[:2])) or min((*before, *after)) < 0:
        raise Int8Error("padding of height and width", str(widths.ravel().tolist()), where(site.node))
    pads = (*((0,) * (4 - rank)), *before[2:], *((0,) * (4 - rank)), *after[2:])
    height, width, channels = site.source.shape
    numbers = {"pads": pads}
    shape = (height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
    return IntegerOperator(kind="pad", inputs=(), output=-1, numbers=numbers), shape


register("pad")(
    Kernel(
        lambda operator, _inputs, output: lambda x: padded(operator, x, output.zero),
        prepare=on_one_grid,
        read=_read_pad,
        onnx=("Pad",),
    )
)
