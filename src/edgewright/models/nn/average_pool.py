"""Means over neighbouring samples."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, Parameters, Shape
from edgewright.models.nn._windows import KernelConfig, conv_attributes, span, taps, window_shape

KIND = "average_pool"


class AveragePoolConfig(KernelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean of the samples the kernel covers; samples of the padding do not count.

    Attributes:
        kernel: samples it covers.
        stride: samples from one place to the next.
        padding: 'same' reaches over the ends, 'valid' does not.
    """


def out_shape(config: AveragePoolConfig, shape: Shape) -> Shape:
    """(channels, samples) -> (channels, places)."""
    return window_shape(shape, KIND)[0], span(config, shape, KIND)[0]


def apply(config: AveragePoolConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, channels, places)."""
    del parameters
    places, before, _ = span(config, (x.shape[1], x.shape[2]), KIND)
    starts = np.arange(places) * config.stride - before
    covered = np.minimum(starts + config.kernel, x.shape[2]) - np.maximum(starts, 0)
    total = sum(taps(config, jnp.transpose(x, (0, 2, 1)), KIND))
    return jnp.transpose(total / covered[:, None].astype(np.float32), (0, 2, 1))


def to_graph(config: AveragePoolConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """AveragePool that leaves the padding out of the count."""
    del parameters
    return builder.op("AveragePool", value, count_include_pad=0, **conv_attributes(config, shape, KIND))


LAYER = Layer(
    config=AveragePoolConfig,
    out_shape=out_shape,
    initialise=lambda config, shape, rng: {},
    apply=apply,
    macs=lambda config, shape: 0,
    to_graph=to_graph,
    formula=lambda config: f"mean of {config.kernel} samples",
    activation=lambda config: "linear",
)
