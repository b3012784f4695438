"""Depthwise-separable convolution: each channel by itself, then all channels at each sample (Howard et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Activation, Layer, Parameters, Shape
from edgewright.models.nn._activation import activate, activation_text, emit_activation, initial_weights
from edgewright.models.nn._windows import DilatedConfig, Positive, conv_attributes, span, taps, window_shape
from edgewright.training.backend import jnp

KIND = "depthwise_separable"


class DepthwiseSeparableConfig(DilatedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A convolution in two cheap halves.

    Attributes:
        filters: channels that come out.
        kernel: samples the first half covers.
        stride: samples from one place to the next.
        padding: 'same' adds zeros, 'valid' adds none, 'causal' adds them before the window alone.
        dilation: samples from one of the kernel to the next.
        depthwise_activation: between the halves.
        activation: 'relu', 'sigmoid' or 'linear'.
    """

    filters: Positive
    depthwise_activation: Activation = "relu"
    activation: Activation = "relu"


def out_shape(config: DepthwiseSeparableConfig, shape: Shape) -> Shape:
    """(channels, samples) -> (filters, places)."""
    return config.filters, span(config, shape, KIND)[0]


def initialise(config: DepthwiseSeparableConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """`depthwise` (channels, kernel) and `pointwise` (channels, filters), with a bias each."""
    channels = window_shape(shape, KIND)[0]
    return {
        "depthwise": initial_weights((channels, config.kernel), config.kernel, config.depthwise_activation, rng),
        "depthwise_bias": np.zeros(channels, np.float32),
        "pointwise": initial_weights((channels, config.filters), channels, config.activation, rng),
        "bias": np.zeros(config.filters, np.float32),
    }


def apply(config: DepthwiseSeparableConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - JAX arrays
    """(batch, channels, samples) -> (batch, filters, places)."""
    return between(config, parameters, x, lambda y: y)


def between(
    config: DepthwiseSeparableConfig,
    parameters: Parameters,
    x: Any,  # noqa: ANN401 - a JAX array or tracer
    change: Callable[[Any], Any],
) -> Any:  # noqa: ANN401
    """Compute the layer with the output of its first half passed through `change`.

    The first half is a sum of shifted products: with gradients a fiftieth of the time of a grouped convolution in XLA.
    """
    y = parameters["depthwise_bias"]
    for k, shifted in enumerate(taps(config, jnp.transpose(x, (0, 2, 1)), KIND)):
        y = y + shifted * parameters["depthwise"][:, k]
    y = change(activate(config.depthwise_activation, y))
    places, channels = y.shape[1:]
    y = y.reshape(-1, channels) @ parameters["pointwise"] + parameters["bias"]
    return activate(config.activation, jnp.transpose(y.reshape(-1, places, config.filters), (0, 2, 1)))


def macs(config: DepthwiseSeparableConfig, shape: Shape) -> int:
    """Both halves; the zeros of the padding are counted."""
    return span(config, shape, KIND)[0] * shape[0] * (config.kernel + config.filters)


def to_graph(
    config: DepthwiseSeparableConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape
) -> str:
    """Conv with one group a channel, then Conv with a kernel of one sample, each with its activation."""
    depthwise = builder.constant(parameters["depthwise"][:, None, :])
    bias = builder.constant(parameters["depthwise_bias"])
    y = builder.op("Conv", value, depthwise, bias, group=shape[0], **conv_attributes(config, shape, KIND))
    y = emit_activation(builder, y, config.depthwise_activation)
    pointwise = builder.constant(np.ascontiguousarray(parameters["pointwise"].T)[:, :, None])
    y = builder.op(
        "Conv", y, pointwise, builder.constant(parameters["bias"]), kernel_shape=(1,), strides=(1,), pads=(0, 0)
    )
    return emit_activation(builder, y, config.activation)


LAYER = Layer(
    config=DepthwiseSeparableConfig,
    out_shape=out_shape,
    initialise=initialise,
    apply=apply,
    macs=macs,
    to_graph=to_graph,
    integer=lambda config: True,
    formula=lambda config: activation_text(
        config.activation, f"{activation_text(config.depthwise_activation, 'sum over kernel of x D, + d')} P + b"
    ),
    between=between,
    width="filters",
    search="windows",
    inputs={"depthwise": 0, "depthwise_bias": 0, "pointwise": 0},
    outputs={"pointwise": 1, "bias": 0},
)
