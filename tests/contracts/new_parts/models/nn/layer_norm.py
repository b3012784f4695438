"""Layer normalization: the channels of a sample to mean 0 and deviation 1 (Ba et al., 2016)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Layer, LayerConfig, Parameters, Shape


class LayerNormConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns of a row, or the channels of a window at each time, less their mean over their deviation.

    Attributes:
        epsilon: added to the variance.
    """

    epsilon: float = 1e-3


def _columns(values: Any, shape: Shape) -> Any:  # noqa: ANN401 - NumPy or JAX
    """Return one number a channel in a shape that broadcasts over samples."""
    return values.reshape(1, -1, *([1] * (len(shape) - 1)))


def apply(config: LayerNormConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, ...) -> the same."""
    centred = x - jnp.mean(x, axis=1, keepdims=True)
    scaled = centred / jnp.sqrt(jnp.mean(centred * centred, axis=1, keepdims=True) + config.epsilon)
    return scaled * _columns(parameters["gain"], x.shape[1:]) + _columns(parameters["bias"], x.shape[1:])


def to_graph(config: LayerNormConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """Return mean, deviation, gain and bias; the division has no integer form."""
    axes = builder.integers(1)
    centred = builder.op("Sub", value, builder.op("ReduceMean", value, axes, keepdims=1))
    variance = builder.op("ReduceMean", builder.op("Mul", centred, centred), axes, keepdims=1)
    deviation = builder.op("Sqrt", builder.op("Add", variance, builder.number(config.epsilon)))
    gain, bias = (builder.constant(_columns(parameters[name], shape)) for name in ("gain", "bias"))
    return builder.op("Add", builder.op("Mul", builder.op("Div", centred, deviation), gain), bias)


LAYER = Layer(
    config=LayerNormConfig,
    out_shape=lambda config, shape: shape,
    apply=apply,
    to_graph=to_graph,
    formula=lambda config: "(x - mean) / deviation * gain + bias",
    integer=lambda config: False,
    initialise=lambda config, shape, rng: {
        "gain": np.ones(shape[0], np.float32),
        "bias": np.zeros(shape[0], np.float32),
    },
)
