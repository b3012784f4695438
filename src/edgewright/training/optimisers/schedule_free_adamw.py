"""Schedule-free AdamW (Defazio et al., The Road Less Scheduled, 2024): no schedule, averages instead."""

from __future__ import annotations

from typing import Any

from edgewright.training.backend import jax, jnp, optax
from edgewright.training.contract import Optimiser, Tree

B1 = 0.9
# Share of all steps in which the learning rate grows from zero; the paper warms up over a few per cent.
WARM_UP = 0.05


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Linear warm-up over a twentieth of `steps`, then constant."""

    def schedule(count: Any) -> Any:  # noqa: ANN401
        return learning_rate * jnp.minimum(count / jnp.maximum(WARM_UP * steps, 1.0), 1.0)

    base = optax.chain(
        optax.scale_by_rms(decay=0.999, eps=1e-8, eps_in_sqrt=False, bias_correction=True),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(schedule),
    )
    return optax.contrib.schedule_free(base, learning_rate=schedule, b1=B1)


def evaluation_params(state: Tree, parameters: Tree) -> Tree:
    """Return the average x, out of the point y = (1 - b1) z + b1 x at which gradients are taken."""
    return jax.tree.map(lambda y, z: (y - (1.0 - B1) * z) / B1, parameters, state.z)


OPTIMISER = Optimiser(make=make, evaluation_params=evaluation_params, takes_schedule=False)
