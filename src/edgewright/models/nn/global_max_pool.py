"""The largest of a channel over the whole window."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn._windows import window_shape

KIND = "global_max_pool"


class GlobalMaxPoolConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number a channel, wherever in the window it came from. No settings."""


def apply(config: GlobalMaxPoolConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, channels)."""
    del config, parameters
    return jnp.max(x, axis=2)


def to_graph(config: GlobalMaxPoolConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """GlobalMaxPool, and Flatten of the axis of one sample that it leaves."""
    del config, parameters, shape
    return builder.op("Flatten", builder.op("GlobalMaxPool", value), axis=1)


LAYER = Layer(
    config=GlobalMaxPoolConfig,
    out_shape=lambda config, shape: (window_shape(shape, KIND)[0],),
    initialise=lambda config, shape, rng: {},
    apply=apply,
    macs=lambda config, shape: 0,
    to_graph=to_graph,
    formula=lambda config: "largest over the samples",
    activation=lambda config: "linear",
)
