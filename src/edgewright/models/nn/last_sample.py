"""The channels at the last sample of a window, as causal convolutions hand them to dense layers."""

from __future__ import annotations

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn._windows import window_shape

KIND = "last_sample"


class LastSampleConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behind causal convolutions it depends on every sample they cover, and runs on a stream. No settings."""


def to_graph(config: LastSampleConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """Slice, then Flatten."""
    last = shape[1]
    ends = (builder.integers(number) for number in (last - 1, last, 2))
    return builder.op("Flatten", builder.op("Slice", value, *ends), axis=1)


LAYER = Layer(
    config=LastSampleConfig,
    out_shape=lambda config, shape: (window_shape(shape, KIND)[0],),
    apply=lambda config, parameters, x: x[:, :, -1],
    to_graph=to_graph,
    integer=lambda config: True,
    formula=lambda config: "the last sample of every channel",
)
