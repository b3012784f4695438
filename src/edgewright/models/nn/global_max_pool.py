"""The largest of a channel over the whole window."""

from __future__ import annotations

from edgewright.graph.stage import LayerConfig
from edgewright.models.nn._windows import global_pool_layer
from edgewright.training.backend import jnp


class GlobalMaxPoolConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number a channel, wherever in the window it came from. No settings."""


LAYER = global_pool_layer(
    GlobalMaxPoolConfig, "global_max_pool", "GlobalMaxPool", lambda x: jnp.max(x, axis=2), "largest over the samples"
)
