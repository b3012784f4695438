"""Dropout between layers: active in training only."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edgewright.graph.stage import Layer, LayerConfig, Parameters
from edgewright.training.backend import jax, jnp


class DropoutConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of the values is set to zero in a training step and the rest made larger (Srivastava et al., 2014).

    A packaged network has no trace of it.

    Attributes:
        rate: share of the values.
    """

    rate: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.2


def training(config: DropoutConfig, parameters: Parameters, x: Any, key: Any) -> Any:  # noqa: ANN401
    """Return what arrives with values dropped as the key says; its mean stays."""
    del parameters
    kept = jax.random.bernoulli(key, 1.0 - config.rate, x.shape)
    return jnp.where(kept, x / (1.0 - config.rate), 0.0)


LAYER = Layer(
    config=DropoutConfig,
    out_shape=lambda config, shape: shape,
    apply=lambda config, parameters, x: x,
    to_graph=lambda config, parameters, builder, value, shape: value,
    integer=lambda config: True,
    formula=lambda config: "x",
    training=training,
)
