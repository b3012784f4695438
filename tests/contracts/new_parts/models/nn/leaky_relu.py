"""ReLU that lets a share of the negative values through (Maas et al., 2013)."""

from __future__ import annotations

from typing import Annotated

import jax.numpy as jnp
import msgspec

from edgewright.graph.stage import Layer, LayerConfig


class LeakyReluConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value where it is positive, a share of it elsewhere.

    Attributes:
        slope: share of a negative value.
    """

    slope: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.1


LAYER = Layer(
    config=LeakyReluConfig,
    out_shape=lambda config, shape: shape,
    apply=lambda config, parameters, x: jnp.where(x >= 0, x, config.slope * x),
    to_graph=lambda config, parameters, builder, value, shape: builder.op("LeakyRelu", value, alpha=config.slope),
    formula=lambda config: f"x where x >= 0, {config.slope:g} x elsewhere",
    integer=lambda config: False,
    activation=lambda config: "leaky_relu",
)
