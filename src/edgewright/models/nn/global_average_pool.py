"""The mean of a channel over the whole window or picture."""

from __future__ import annotations

from edgewright.graph.stage import LayerConfig
from edgewright.models.nn._windows import global_pool_layer
from edgewright.training.backend import jnp


class GlobalAveragePoolConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number a channel, wherever in the window or picture it came from. No settings."""


LAYER = global_pool_layer(
    GlobalAveragePoolConfig,
    "global_average_pool",
    "GlobalAveragePool",
    lambda x: jnp.mean(x, axis=2),
    "mean over the samples or pixels",
)
