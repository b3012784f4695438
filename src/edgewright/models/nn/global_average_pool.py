"""The mean of a channel over the whole window."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn._windows import window_shape

KIND = "global_average_pool"


class GlobalAveragePoolConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number a channel, wherever in the window it came from. No settings."""


def apply(config: GlobalAveragePoolConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, channels)."""
    del config, parameters
    return jnp.mean(x, axis=2)


def to_graph(
    config: GlobalAveragePoolConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape
) -> str:
    """GlobalAveragePool, and Flatten of the axis of one sample that it leaves."""
    del config, parameters, shape
    return builder.op("Flatten", builder.op("GlobalAveragePool", value), axis=1)


LAYER = Layer(
    config=GlobalAveragePoolConfig,
    out_shape=lambda config, shape: (window_shape(shape, KIND)[0],),
    initialise=lambda config, shape, rng: {},
    apply=apply,
    macs=lambda config, shape: 0,
    to_graph=to_graph,
    formula=lambda config: "mean over the samples",
    activation=lambda config: "linear",
)
