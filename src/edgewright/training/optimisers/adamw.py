"""Adam with decoupled weight decay (Loshchilov and Hutter, 2019) and a cosine schedule down to zero."""

from __future__ import annotations

from typing import Any

from edgewright.training.backend import jnp, optax
from edgewright.training.contract import Optimiser


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Return a learning rate falls along half a cosine over `steps`; a schedule is taken as it is.

    A small network gains most from its last, small steps. Written here because `optax.cosine_decay_schedule` refuses
    a traced number of steps.
    """
    if callable(learning_rate):
        return optax.adamw(learning_rate, weight_decay=weight_decay)

    def schedule(count: Any) -> Any:  # noqa: ANN401
        done = jnp.minimum(count / steps, 1.0)
        return learning_rate * 0.5 * (1.0 + jnp.cos(jnp.pi * done))

    return optax.adamw(schedule, weight_decay=weight_decay)


OPTIMISER = Optimiser(make=make)
