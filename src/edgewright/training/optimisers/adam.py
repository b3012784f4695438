"""Adam (Kingma and Ba, 2015), betas 0.9 and 0.999, epsilon 1e-8."""

from __future__ import annotations

from typing import Any

from edgewright.training.backend import optax
from edgewright.training.contract import Optimiser


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Adam knows no weight decay here (take `adamw` for it) and no schedule: the last two are not used."""
    del weight_decay, steps
    return optax.adam(learning_rate)


OPTIMISER = Optimiser(make=make)
