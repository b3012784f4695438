"""What operators with a kernel share: padding and the fused activation."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.operators._windows import same_padding
from edgewright.export.tflite_operators import Place

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
    steps = (numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1)))
    wanted = [same_padding(*of_axis) for of_axis in zip(place.sources[0].shape, *steps, strict=False)]
    same = (wanted[0][0], wanted[1][0], wanted[0][1], wanted[1][1])
    return int(schema.Padding.SAME) if same == numbers["pads"] else None


def padded_input(place: Place) -> tuple[int, int]:
    """The tensor to read, after a PAD where that is needed, and the padding to state."""
    stated = padding(place)
    if stated is not None:
        return place.inputs[0], stated
    around, made = padded_tensor(place)
    place.builder.operator("PAD", place.version(1, 2), (place.inputs[0], around), (made,), schema.PadOptionsT())
    return made, int(schema.Padding.VALID)


def padded_tensor(place: Place) -> tuple[int, int]:
    """Numbers of the widths around the input, and of a new tensor for the input with its padding."""
    top, left, bottom, right = place.operator.numbers["pads"]
    height, width, channels = place.sources[0].shape
    around = place.builder.constant(np.asarray([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    return around, between(place, (height + top + bottom, width + left + right, channels))


def between(place: Place, shape: tuple[int, ...]) -> int:
    """A new tensor on the grid of the input."""
    source = place.sources[0]
    grid = (source.scale, source.zero) if place.integer else (None, 0)
    return place.builder.tensor((1, *shape), "int8" if place.integer else "float32", *grid)
