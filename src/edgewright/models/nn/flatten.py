"""A window as one row: all samples of the first channel, then of the second."""

from __future__ import annotations

import math

from edgewright.graph.stage import Layer, LayerConfig


class FlattenConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing is computed. No settings."""


LAYER = Layer(
    config=FlattenConfig,
    out_shape=lambda config, shape: (math.prod(shape),),
    apply=lambda config, parameters, x: x.reshape(x.shape[0], -1),
    gradient=lambda config, parameters, x, y, of_y, into, of_x: of_y.reshape(x.shape) if of_x else None,
    # Nothing where what arrives is a row already.
    to_graph=lambda config, parameters, builder, value, shape: (
        builder.op("Flatten", value, axis=1) if len(shape) > 1 else value
    ),
    integer=lambda config: True,
    formula=lambda config: "channels one after the other",
)
