"""Largest of neighbouring samples."""

from __future__ import annotations

from functools import reduce
from typing import Any

import jax.numpy as jnp

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, Parameters, Shape
from edgewright.models.nn._windows import KernelConfig, conv_attributes, span, taps, window_shape

KIND = "max_pool"
# The lowest float32 instead of minus infinity: its gradient is a number.
LOWEST = -3.4028235e38


class MaxPoolConfig(KernelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Largest of the samples the kernel covers.

    Attributes:
        kernel: samples it covers.
        stride: samples from one place to the next.
        padding: 'same' reaches over the ends, 'valid' does not.
    """


def out_shape(config: MaxPoolConfig, shape: Shape) -> Shape:
    """(channels, samples) -> (channels, places)."""
    return window_shape(shape, KIND)[0], span(config, shape, KIND)[0]


def apply(config: MaxPoolConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, channels, places)."""
    del parameters
    shifted = taps(config, jnp.transpose(x, (0, 2, 1)), KIND, fill=LOWEST)
    return jnp.transpose(reduce(jnp.maximum, shifted), (0, 2, 1))


def to_graph(config: MaxPoolConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """MaxPool."""
    del parameters
    return builder.op("MaxPool", value, **conv_attributes(config, shape, KIND))


LAYER = Layer(
    config=MaxPoolConfig,
    out_shape=out_shape,
    initialise=lambda config, shape, rng: {},
    apply=apply,
    macs=lambda config, shape: 0,
    to_graph=to_graph,
    formula=lambda config: f"largest of {config.kernel} samples",
    activation=lambda config: "linear",
)
