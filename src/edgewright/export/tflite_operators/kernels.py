"""Pools and means.

AVERAGE_POOL_2D and MAX_POOL_2D know VALID and SAME. Another padding of a max pool becomes a PADV2 with the lowest
number. That of a mean must not count: the pool takes every place with SAME, and STRIDED_SLICE those that are wanted.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.operators._windows import same_padding
from edgewright.export.tflite_operators import Place, tensor_shape, writes
from edgewright.schema.errors import InputError


@writes("reshape")
def reshape(place: Place) -> None:
    """RESHAPE."""
    shape = tensor_shape(place.target)
    place.end("RESHAPE", (1, 1), *place.inputs, place.numbers(*shape), newShape=list(shape))


@writes("transpose")
def transpose(place: Place) -> None:
    """TRANSPOSE; the batch axis stays first."""
    order = place.numbers(0, *(axis + 1 for axis in place.operator.numbers["order"]))
    place.end("TRANSPOSE", (1, 2), *place.inputs, order)


@writes("slice")
def cut(place: Place) -> None:
    """SLICE along one axis."""
    axis, begin = place.operator.numbers["axis"][0] + 1, place.operator.numbers["begin"][0]
    starts = place.numbers(*(begin if n == axis else 0 for n in range(len(place.target.shape) + 1)))
    place.end("SLICE", (1, 2), *place.inputs, starts, place.numbers(*tensor_shape(place.target)))


@writes("pad")
def pad(place: Place) -> None:
    """PAD with the real number 0."""
    place.end("PAD", (1, 2), *place.inputs, _widths(place))


@writes("concat")
def concat(place: Place) -> None:
    """CONCATENATION."""
    place.end("CONCATENATION", (1, 2), *place.inputs, axis=place.operator.numbers["axis"][0] + 1)


@writes("add")
def add(place: Place) -> None:
    """ADD; only 16-bit values ask for scales that are powers of two."""
    place.end("ADD", (1, 2), *place.inputs, fusedActivationFunction=activation(place), potScaleInt16=False)


@writes("relu")
def relu(place: Place) -> None:
    """RELU or RELU6."""
    place.end(place.operator.activation.upper(), (1, 2), *place.inputs)


@writes("logistic")
def logistic(place: Place) -> None:
    """LOGISTIC."""
    place.end("LOGISTIC", (1, 2), *place.inputs)


@writes("gelu")
def gelu(place: Place) -> None:
    """GELU of real numbers, as a file that is written again had it; TFLM has none."""
    place.end("GELU", (1, 1), *place.inputs, approximate=bool(place.operator.numbers["approximate"][0]))


@writes("softmax")
def softmax(place: Place) -> None:
    """SOFTMAX over the last axis."""
    place.end("SOFTMAX", (1, 2), *place.inputs, beta=1.0)


@writes("quantise")
def quantise(place: Place) -> None:
    """QUANTIZE from bytes to bytes (version 2) or from float (version 1)."""
    version = 2 if place.sources[0].scale else 1
    place.builder.operator("QUANTIZE", version, place.inputs, (place.output,), schema.QuantizeOptionsT())


@writes("dense")
def dense(place: Place) -> None:
    """FULLY_CONNECTED."""
    constants = place.weights(place.operator.arrays["weights"].shape, 0)
    many = place.integer and place.operator.arrays["weight_scale"].size > 1
    versions = (1, 12 if many else 4)
    place.end("FULLY_CONNECTED", versions, place.inputs[0], *constants, fusedActivationFunction=activation(place))


@writes("conv")
def conv(place: Place) -> None:
    """CONV_2D; a padding that is neither VALID nor SAME becomes an operator of its own before it."""
    source, stated = padded_input(place)
    constants = place.weights(place.operator.arrays["weights"].shape, 0)
    constants = _biased(place, constants, len(place.operator.arrays["weights"]))
    place.end("CONV_2D", (1, 3), source, *constants, padding=stated, **_steps(place))


@writes("depthwise")
def depthwise(place: Place) -> None:
    """DEPTHWISE_CONV_2D, padding as for `conv`."""
    source, stated = padded_input(place)
    shape = place.operator.arrays["weights"].shape
    constants = _biased(place, place.weights((1, *shape), 3), shape[2])
    times = shape[2] // place.sources[0].shape[-1]
    fields = {"padding": stated, "depthMultiplier": times, **_steps(place)}
    place.end("DEPTHWISE_CONV_2D", (1, 3), source, *constants, **fields)


def _biased(location: Place, constants: tuple[int, ...], filters: int) -> tuple[int, ...]:
    """Weights and a bias: LiteRT refuses an int8 convolution without one, and XNNPACK crashes on a float depthwise."""
    if len(constants) > 1:
        return constants
    if not location.integer:
        return (*constants, location.builder.constant(np.zeros(filters, np.float32)))
    # As many scales as the weights have, or XNNPACK refuses the file.
    product = np.float32(location.sources[0].scale) * np.asarray(location.operator.arrays["weight_scale"], np.float32)
    return (*constants, location.builder.constant(np.zeros(filters, np.int32), product))


def _steps(location: Place) -> dict[str, int]:
    numbers = location.operator.numbers
    (down, right), (rows, columns) = numbers["strides"], numbers["dilations"]
    gaps = {"dilationHFactor": rows, "dilationWFactor": columns}
    return {"fusedActivationFunction": activation(location), "strideH": down, "strideW": right, **gaps}


_ACTIVATIONS = {
    "": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def activation(location: Place) -> int:
    """Return the schema's number of the fused activation."""
    return int(_ACTIVATIONS[location.operator.activation])


def padding(location: Place) -> int | None:
    """Return the schema's number for SAME or VALID; None for another padding."""
    numbers = location.operator.numbers
    if not any(numbers["pads"]):
        return int(schema.Padding.VALID)
    steps = (numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1)))
    wanted = [same_padding(*of_axis) for of_axis in zip(location.sources[0].shape, *steps, strict=False)]
    same = (wanted[0][0], wanted[1][0], wanted[0][1], wanted[1][1])
    return int(schema.Padding.SAME) if same == numbers["pads"] else None


def padded_input(location: Place) -> tuple[int, int]:
    """Return the tensor to read, after a PAD where that is needed, and the padding to state."""
    stated = padding(location)
    if stated is not None:
        return location.inputs[0], stated
    around, made = padded_tensor(location)
    location.builder.operator("PAD", location.version(1, 2), (location.inputs[0], around), (made,))
    return made, int(schema.Padding.VALID)


def padded_tensor(location: Place) -> tuple[int, int]:
    """Return numbers of the widths around the input, and of a new tensor for the input with its padding."""
    top, left, bottom, right = location.operator.numbers["pads"]
    height, width, channels = location.sources[0].shape
    return _widths(location), between(location, (height + top + bottom, width + left + right, channels))


def _widths(location: Place) -> int:
    top, left, bottom, right = location.operator.numbers["pads"]
    return location.builder.constant(np.asarray([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))


def between(location: Place, shape: tuple[int, ...]) -> int:
    """Return a new tensor on the grid of the input."""
    source = location.sources[0]
    grid = (source.scale, source.zero) if location.integer else (None, 0)
    return location.builder.tensor((1, *shape), "int8" if location.integer else "float32", *grid)


_LOWEST = float(np.finfo(np.float32).min)


@writes("max_pool")
def max_pool(place: Place) -> None:
    """MAX_POOL_2D, after a PADV2 where the padding is neither SAME nor VALID.

    Raises:
        InputError: for a kernel with gaps, which .tflite has not.
    """
    numbers = place.operator.numbers
    if max(numbers.get("dilations", (1, 1))) > 1:
        raise InputError(
            "a max pool without dilations",
            f"dilations {numbers['dilations']}",
            f".tflite, operator {place.operator.kind}",
            "Export it to onnx or c99",
        )
    stated = padding(place)
    if stated is not None:
        _pool(place, "MAX_POOL_2D", place.inputs[0], place.output, numbers["strides"], stated)
        return
    around, made = padded_tensor(place)
    lowest = np.asarray(-128, np.int8) if place.integer else np.asarray(_LOWEST, np.float32)
    grid = np.asarray(place.sources[0].scale) if place.integer else None
    fill = place.builder.constant(lowest, grid, zero=place.sources[0].zero)
    place.builder.operator("PADV2", place.version(1, 2), (place.inputs[0], around, fill), (made,))
    _pool(place, "MAX_POOL_2D", made, place.output, numbers["strides"], int(schema.Padding.VALID))


@writes("average_pool")
def average_pool(place: Place) -> None:
    """AVERAGE_POOL_2D, with a STRIDED_SLICE after it where the padding is neither SAME nor VALID.

    Raises:
        InputError: for more padding than half the kernel.
    """
    numbers, stated = place.operator.numbers, padding(place)
    if stated is not None:
        _pool(place, "AVERAGE_POOL_2D", place.inputs[0], place.output, numbers["strides"], stated)
        return
    height, width, channels = place.sources[0].shape
    begin, end = [0], [1]
    for axis, length in enumerate((height, width)):
        first = same_padding(length, numbers["kernel"][axis])[0] - numbers["pads"][axis]
        last = first + (place.target.shape[axis] - 1) * numbers["strides"][axis]
        if first < 0 or last >= length:
            raise InputError(
                "padding of a mean by at most half its kernel",
                f"pads {numbers['pads']} for kernel {numbers['kernel']}",
                f".tflite, operator {place.operator.kind}",
                "Pad by at most (kernel - 1) // 2 before and kernel // 2 behind, or let the padding count",
            )
        begin.append(first)
        end.append(last + 1)
    made = between(place, (height, width, channels))
    _pool(place, "AVERAGE_POOL_2D", place.inputs[0], made, (1, 1), int(schema.Padding.SAME))
    parts = (place.numbers(*begin, 0), place.numbers(*end, channels), place.numbers(1, *numbers["strides"], 1))
    place.end("STRIDED_SLICE", (1, 2), made, *parts)


def _pool(location: Place, name: str, source: int, output: int, strides: tuple[int, ...], stated: int) -> None:
    height, width = location.operator.numbers["kernel"]
    location.builder.operator(
        name,
        location.version(1, 2),
        (source,),
        (output,),
        padding=stated,
        filterHeight=height,
        filterWidth=width,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=activation(location),
    )


@writes("mean")
def mean(place: Place) -> None:
    """MEAN over height and width, which stay with length 1."""
    place.end("MEAN", (1, 2), *place.inputs, place.numbers(1, 2), keepDims=True)
