"""Operators with weights."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_operators import Place, writes
from edgewright.export.tflite_operators._placement import activation, padded_input


@writes("dense")
def dense(place: Place) -> None:
    """FULLY_CONNECTED."""
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = activation(place)
    constants = place.weights(place.operator.arrays["weights"].shape, 0)
    many = place.integer and place.operator.arrays["weight_scale"].size > 1
    version = 12 if many else place.version(1, 4)
    place.builder.operator("FULLY_CONNECTED", version, (place.inputs[0], *constants), (place.output,), options)


@writes("conv")
def conv(place: Place) -> None:
    """CONV_2D; a padding that is neither VALID nor SAME becomes an operator of its own before it."""
    options = schema.Conv2DOptionsT()
    source, options.padding = padded_input(place)
    _steps(options, place)
    constants = place.weights(place.operator.arrays["weights"].shape, 0)
    constants = _biased(place, constants, len(place.operator.arrays["weights"]))
    place.builder.operator("CONV_2D", place.version(1, 3), (source, *constants), (place.output,), options)


@writes("depthwise")
def depthwise(place: Place) -> None:
    """DEPTHWISE_CONV_2D, padding as for `conv`."""
    options = schema.DepthwiseConv2DOptionsT()
    source, options.padding = padded_input(place)
    _steps(options, place)
    shape = place.operator.arrays["weights"].shape
    options.depthMultiplier = shape[2] // place.sources[0].shape[-1]
    constants = _biased(place, place.weights((1, *shape), 3), shape[2])
    place.builder.operator("DEPTHWISE_CONV_2D", place.version(1, 3), (source, *constants), (place.output,), options)


def _biased(place: Place, constants: tuple[int, ...], filters: int) -> tuple[int, ...]:
    """Weights and a bias: LiteRT refuses an int8 convolution without one, and XNNPACK crashes on a float depthwise."""
    if len(constants) > 1:
        return constants
    if not place.integer:
        return (*constants, place.builder.constant(np.zeros(filters, np.float32)))
    # As many scales as the weights have, or XNNPACK refuses the file.
    product = np.float32(place.sources[0].scale) * np.asarray(place.operator.arrays["weight_scale"], np.float32)
    return (*constants, place.builder.constant(np.zeros(filters, np.int32), product))


def _steps(options: schema.Conv2DOptionsT | schema.DepthwiseConv2DOptionsT, place: Place) -> None:
    numbers = place.operator.numbers
    options.fusedActivationFunction = activation(place)
    options.strideH, options.strideW = numbers["strides"]
    options.dilationHFactor, options.dilationWFactor = numbers["dilations"]
