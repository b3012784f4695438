"""What operators with a kernel share: padding and the fused activation."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_operators import Place
from edgewright.schema.errors import InputError

_ACTIVATIONS = {
    "": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def activation(place: Place) -> int:
    """The schema's number of the fused activation."""
    return int(_ACTIVATIONS[place.operator.activation])


def padding(place: Place) -> int | None:
    """The schema's number for SAME or VALID; None for another padding."""
    numbers = place.operator.numbers
    if not any(numbers["pads"]):
        return int(schema.Padding.VALID)
    wanted: list[tuple[int, int]] = []
    dilations = numbers.get("dilations", (1, 1))
    for axis in range(2):
        length, stride = place.sources[0].shape[axis], numbers["strides"][axis]
        extent = (numbers["kernel"][axis] - 1) * dilations[axis] + 1
        missing = max((-(-length // stride) - 1) * stride + extent - length, 0)
        wanted.append((missing // 2, missing - missing // 2))
    same = (wanted[0][0], wanted[1][0], wanted[0][1], wanted[1][1])
    return int(schema.Padding.SAME) if same == numbers["pads"] else None


def padded_input(place: Place) -> tuple[int, int]:
    """The tensor to read, after a PAD where that is needed, and the padding to state."""
    stated = padding(place)
    if stated is not None:
        return place.inputs[0], stated
    top, left, bottom, right = place.operator.numbers["pads"]
    height, width, channels = place.sources[0].shape
    around = place.builder.constant(np.asarray([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    source = place.sources[0]
    shape = (1, height + top + bottom, width + left + right, channels)
    grid = (source.scale, source.zero) if place.integer else (None, 0)
    made = place.builder.tensor(shape, "int8" if place.integer else "float32", *grid)
    place.builder.operator("PAD", place.version(1, 2), (place.inputs[0], around), (made,), schema.PadOptionsT())
    return made, int(schema.Padding.VALID)


def pool_padding(place: Place) -> int:
    """The padding of a pool.

    Raises:
        InputError: for a padding that is neither VALID nor SAME: zeros before a pool would count.
    """
    stated = padding(place)
    if stated is None:
        raise InputError("a pool padded as SAME or not at all", f"pads {place.operator.numbers['pads']}", ".tflite")
    return stated
