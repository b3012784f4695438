"""A window as one row: all samples of the first channel, then of the second."""

from __future__ import annotations

import math
from typing import Any

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, LayerConfig, Parameters, Shape


class FlattenConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing is computed. No settings."""


def apply(config: FlattenConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, channels * samples)."""
    del config, parameters
    return x.reshape(x.shape[0], -1)


def to_graph(config: FlattenConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """Flatten; nothing when what arrives is a row already."""
    del config, parameters
    return builder.op("Flatten", value, axis=1) if len(shape) > 1 else value


LAYER = Layer(
    config=FlattenConfig,
    out_shape=lambda config, shape: (math.prod(shape),),
    initialise=lambda config, shape, rng: {},
    apply=apply,
    macs=lambda config, shape: 0,
    to_graph=to_graph,
    formula=lambda config: "channels one after the other",
    activation=lambda config: "linear",
)
