"""Pools and means.

AVERAGE_POOL_2D and MAX_POOL_2D know VALID and SAME. Another padding of a max pool becomes a PADV2 with the lowest
number. That of a mean must not count: the pool takes every place with SAME, and STRIDED_SLICE those that are wanted.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.operators._windows import same_padding
from edgewright.export.tflite_operators import Place, writes
from edgewright.export.tflite_operators._placement import activation, between, padded_tensor, padding
from edgewright.schema.errors import InputError

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
    place.builder.operator(
        "PADV2", place.version(1, 2), (place.inputs[0], around, fill), (made,), schema.PadV2OptionsT()
    )
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
    place.builder.operator(
        "STRIDED_SLICE", place.version(1, 2), (made, *parts), (place.output,), schema.StridedSliceOptionsT()
    )


def _pool(place: Place, name: str, source: int, output: int, strides: tuple[int, ...], stated: int) -> None:
    options = schema.Pool2DOptionsT()
    options.padding = stated
    options.filterHeight, options.filterWidth = place.operator.numbers["kernel"]
    options.strideH, options.strideW = strides
    options.fusedActivationFunction = activation(place)
    place.builder.operator(name, place.version(1, 2), (source,), (output,), options)


@writes("mean")
def mean(place: Place) -> None:
    """MEAN over height and width, which stay with length 1."""
    options = schema.ReducerOptionsT()
    options.keepDims = True
    place.builder.operator("MEAN", place.version(1, 2), (*place.inputs, place.numbers(1, 2)), (place.output,), options)
