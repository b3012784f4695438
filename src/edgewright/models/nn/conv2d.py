"""Two-dimensional convolution over the pixels of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Activation, Layer, Parameters, Shape
from edgewright.models.nn._activation import activate, activation_text, emit_activation, initial_weights
from edgewright.models.nn._normalised import folded, normalisation, normalised, started
from edgewright.models.nn._pictures import (
    SquareConfig,
    attributes,
    channels_first,
    channels_last,
    margins,
    picture_shape,
    places,
)
from edgewright.models.nn._windows import Positive
from edgewright.training.backend import jnp, lax

KIND = "conv2d"
_AXES = {"weights": (0, "bias")}


class Conv2dConfig(SquareConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every output is a weighted sum over all channels of the pixels within the kernel.

    Attributes:
        filters: channels that come out.
        kernel: rows and columns it covers.
        stride: rows and columns from one place to the next.
        padding: 'same' adds zeros around the picture, 'valid' adds none.
        activation: 'relu', 'sigmoid' or 'linear'.
        normalise: train with batch normalisation, which is folded into the weights afterwards.
    """

    filters: Positive
    activation: Activation = "relu"
    normalise: bool = True


def initialise(config: Conv2dConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """`weights` of shape (filters, channels, kernel, kernel) and `bias` of shape (filters,)."""
    channels = picture_shape(shape, KIND)[0]
    size = (config.filters, channels, config.kernel, config.kernel)
    weights = initial_weights(size, channels * config.kernel**2, config.activation, rng)
    own = {"weights": weights, "bias": np.zeros(config.filters, np.float32)}
    return started(own, _AXES) if config.normalise else own


def _run(config: Conv2dConfig, own: Parameters, x: Any, measured: Parameters | None) -> Any:  # noqa: ANN401 - JAX arrays
    """(batch, channels, height, width) -> (batch, filters, rows, columns)."""
    around = margins(config, x.shape[1:])
    weights = jnp.transpose(own["weights"], (2, 3, 1, 0))
    sums = lax.conv_general_dilated(
        channels_last(x), weights, (config.stride, config.stride), around, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    y = normalised("weights", own, sums, measured)
    return channels_first(activate(config.activation, y))


def macs(config: Conv2dConfig, shape: Shape) -> int:
    """Return places times filters times channels times kernel; the zeros of the padding are counted."""
    rows, columns = places(config, shape, KIND)
    return rows * columns * config.filters * shape[0] * config.kernel**2


def to_graph(config: Conv2dConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """Conv and the activation."""
    own = folded(parameters, _AXES)
    weights, bias = builder.constant(own["weights"]), builder.constant(own["bias"])
    return emit_activation(
        builder, builder.op("Conv", value, weights, bias, **attributes(config, shape)), config.activation
    )


LAYER = Layer(
    config=Conv2dConfig,
    out_shape=lambda config, shape: (config.filters, *places(config, shape, KIND)),
    initialise=initialise,
    apply=lambda config, parameters, x: _run(config, parameters, x, None),
    macs=macs,
    to_graph=to_graph,
    integer=lambda config: True,
    formula=lambda config: activation_text(config.activation, "sum over channels and kernel of x W, + b"),
    normalisation=normalisation(_run, _AXES),
    width="filters",
    inputs={"weights": 1},
    outputs={"weights": 0, "bias": 0},
)
