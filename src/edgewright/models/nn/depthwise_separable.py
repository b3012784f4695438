"""Depthwise-separable convolution: each channel by itself, then all channels at each sample (Howard et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Activation, Layer, Parameters, Shape
from edgewright.models.nn._activation import activate, activation_text, emit_activation, initial_weights
from edgewright.models.nn._normalised import folded, normalisation, normalised, started
from edgewright.models.nn._windows import DilatedConfig, Positive, conv_attributes, span, taps, window_shape
from edgewright.training.backend import jnp

KIND = "depthwise_separable"
_AXES = {"depthwise": (0, "depthwise_bias"), "pointwise": (1, "bias")}


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
        normalise: train both halves with batch normalisation, which is folded into the weights afterwards.
    """

    filters: Positive
    depthwise_activation: Activation = "relu"
    activation: Activation = "relu"
    normalise: bool = False


def out_shape(config: DepthwiseSeparableConfig, shape: Shape) -> Shape:
    """(channels, samples) -> (filters, places)."""
    return config.filters, span(config, shape, KIND)[0]


def initialise(config: DepthwiseSeparableConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """`depthwise` (channels, kernel) and `pointwise` (channels, filters), with a bias each."""
    channels = window_shape(shape, KIND)[0]
    own = {
        "depthwise": initial_weights((channels, config.kernel), config.kernel, config.depthwise_activation, rng),
        "depthwise_bias": np.zeros(channels, np.float32),
        "pointwise": initial_weights((channels, config.filters), channels, config.activation, rng),
        "bias": np.zeros(config.filters, np.float32),
    }
    return started(own, _AXES) if config.normalise else own


def _run(config: DepthwiseSeparableConfig, own: Parameters, x: Any, measured: Parameters | None) -> Any:  # noqa: ANN401
    return between(config, own, x, lambda y: y, measured)


def between(
    config: DepthwiseSeparableConfig,
    own: Parameters,
    x: Any,  # noqa: ANN401 - a JAX array or tracer
    change: Callable[[Any], Any],
    measured: Parameters | None = None,
) -> Any:  # noqa: ANN401
    """Compute the layer with the output of its first half passed through `change`.

    (batch, channels, samples) -> (batch, filters, places). The first half is a sum of shifted products: with gradients
    a fiftieth of the time of a grouped convolution in XLA.
    """
    y = 0.0 if config.normalise else own["depthwise_bias"]
    for k, shifted in enumerate(taps(config, jnp.transpose(x, (0, 2, 1)), KIND)):
        y = y + shifted * own["depthwise"][:, k]
    y = normalised("depthwise", own, y, measured, "depthwise_bias") if config.normalise else y
    y = change(activate(config.depthwise_activation, y))
    places, channels = y.shape[1:]
    y = normalised("pointwise", own, y.reshape(-1, channels) @ own["pointwise"], measured)
    return activate(config.activation, jnp.transpose(y.reshape(-1, places, config.filters), (0, 2, 1)))


def macs(config: DepthwiseSeparableConfig, shape: Shape) -> int:
    """Both halves; the zeros of the padding are counted."""
    return span(config, shape, KIND)[0] * shape[0] * (config.kernel + config.filters)


def to_graph(
    config: DepthwiseSeparableConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape
) -> str:
    """Conv with one group a channel, then Conv with a kernel of one sample, each with its activation."""
    own = folded(parameters, _AXES)
    depthwise, bias = builder.constant(own["depthwise"][:, None, :]), builder.constant(own["depthwise_bias"])
    y = builder.op("Conv", value, depthwise, bias, group=shape[0], **conv_attributes(config, shape, KIND))
    y = emit_activation(builder, y, config.depthwise_activation)
    pointwise = builder.constant(np.ascontiguousarray(own["pointwise"].T)[:, :, None])
    y = builder.op("Conv", y, pointwise, builder.constant(own["bias"]), kernel_shape=(1,), strides=(1,), pads=(0, 0))
    return emit_activation(builder, y, config.activation)


LAYER = Layer(
    config=DepthwiseSeparableConfig,
    out_shape=out_shape,
    initialise=initialise,
    apply=lambda config, parameters, x: _run(config, parameters, x, None),
    macs=macs,
    to_graph=to_graph,
    integer=lambda config: True,
    formula=lambda config: activation_text(
        config.activation, f"{activation_text(config.depthwise_activation, 'sum over kernel of x D, + d')} P + b"
    ),
    between=between,
    normalisation=normalisation(_run, _AXES),
    width="filters",
    inputs={"depthwise": 0, "depthwise_bias": 0, "pointwise": 0},
    outputs={"pointwise": 1, "bias": 0},
)
