"""Prodigy (Mishchenko and Defazio, 2023): AdamW that estimates its own learning rate."""

from __future__ import annotations

from typing import Any

from edgewright.training.backend import jnp, optax
from edgewright.training.contract import Optimiser


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Return Prodigy, which needs no learning rate; its estimate follows half a cosine over `steps`."""
    del learning_rate

    def schedule(count: Any) -> Any:  # noqa: ANN401
        return 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.minimum(count / steps, 1.0)))

    return optax.contrib.prodigy(schedule, weight_decay=weight_decay)


OPTIMISER = Optimiser(make=make, needs_learning_rate=False, takes_schedule=False)
