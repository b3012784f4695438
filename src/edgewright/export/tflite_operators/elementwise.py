"""Operators that take every number by itself, and softmax."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_operators import Place, writes
from edgewright.export.tflite_operators._placement import activation


@writes("add")
def add(place: Place) -> None:
    """ADD."""
    options = schema.AddOptionsT()
    options.fusedActivationFunction = activation(place)
    # Only 16-bit values ask for scales that are powers of two.
    options.potScaleInt16 = False
    place.builder.operator("ADD", place.version(1, 2), place.inputs, (place.output,), options)


@writes("relu")
def relu(place: Place) -> None:
    """RELU or RELU6."""
    place.builder.operator(place.operator.activation.upper(), place.version(1, 2), place.inputs, (place.output,))


@writes("logistic")
def logistic(place: Place) -> None:
    """LOGISTIC."""
    place.builder.operator("LOGISTIC", place.version(1, 2), place.inputs, (place.output,))


@writes("gelu")
def gelu(place: Place) -> None:
    """GELU of real numbers, as a file that is written again had it; TFLM has none."""
    options = schema.GeluOptionsT()
    options.approximate = bool(place.operator.numbers["approximate"][0])
    place.builder.operator("GELU", 1, place.inputs, (place.output,), options)


@writes("softmax")
def softmax(place: Place) -> None:
    """SOFTMAX over the last axis."""
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    place.builder.operator("SOFTMAX", place.version(1, 2), place.inputs, (place.output,), options)


@writes("quantise")
def quantise(place: Place) -> None:
    """QUANTIZE from bytes to bytes (version 2) or from float (version 1)."""
    version = 2 if place.sources[0].scale else 1
    place.builder.operator("QUANTIZE", version, place.inputs, (place.output,), schema.QuantizeOptionsT())
