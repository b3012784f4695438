"""Operators that move numbers without computing."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_operators import Place, tensor_shape, writes


@writes("reshape")
def reshape(place: Place) -> None:
    """RESHAPE."""
    options, shape = schema.ReshapeOptionsT(), tensor_shape(place.target)
    options.newShape = list(shape)
    place.builder.operator("RESHAPE", 1, (*place.inputs, place.numbers(*shape)), (place.output,), options)


@writes("transpose")
def transpose(place: Place) -> None:
    """TRANSPOSE; the batch axis stays first."""
    order = place.numbers(0, *(axis + 1 for axis in place.operator.numbers["order"]))
    options = schema.TransposeOptionsT()
    place.builder.operator("TRANSPOSE", place.version(1, 2), (*place.inputs, order), (place.output,), options)


@writes("slice")
def cut(place: Place) -> None:
    """SLICE along one axis."""
    axis, begin = place.operator.numbers["axis"][0] + 1, place.operator.numbers["begin"][0]
    starts = place.numbers(*(begin if n == axis else 0 for n in range(len(place.target.shape) + 1)))
    sizes = place.numbers(*tensor_shape(place.target))
    options = schema.SliceOptionsT()
    place.builder.operator("SLICE", place.version(1, 2), (*place.inputs, starts, sizes), (place.output,), options)


@writes("pad")
def pad(place: Place) -> None:
    """PAD with the real number 0."""
    top, left, bottom, right = place.operator.numbers["pads"]
    around = place.builder.constant(np.asarray([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    place.builder.operator("PAD", place.version(1, 2), (*place.inputs, around), (place.output,), schema.PadOptionsT())


@writes("concat")
def concat(place: Place) -> None:
    """CONCATENATION."""
    options = schema.ConcatenationOptionsT()
    options.axis = place.operator.numbers["axis"][0] + 1
    place.builder.operator("CONCATENATION", place.version(1, 2), place.inputs, (place.output,), options)
