"""Pools and means."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_operators import Place, writes
from edgewright.export.tflite_operators._placement import activation, pool_padding


@writes("average_pool", "max_pool")
def pool(place: Place) -> None:
    """AVERAGE_POOL_2D or MAX_POOL_2D."""
    numbers, options = place.operator.numbers, schema.Pool2DOptionsT()
    options.padding = pool_padding(place)
    options.filterHeight, options.filterWidth = numbers["kernel"]
    options.strideH, options.strideW = numbers["strides"]
    options.fusedActivationFunction = activation(place)
    name = "AVERAGE_POOL_2D" if place.operator.kind == "average_pool" else "MAX_POOL_2D"
    place.builder.operator(name, place.version(1, 2), place.inputs, (place.output,), options)


@writes("mean")
def mean(place: Place) -> None:
    """MEAN over height and width, which stay with length 1."""
    options = schema.ReducerOptionsT()
    options.keepDims = True
    place.builder.operator("MEAN", place.version(1, 2), (*place.inputs, place.numbers(1, 2)), (place.output,), options)
