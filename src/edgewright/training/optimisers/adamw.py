"""Adam with decoupled weight decay (Loshchilov and Hutter, 2019) and a cosine schedule down to zero."""

from __future__ import annotations

from typing import Any

from edgewright.training.backend import optax
from edgewright.training.contract import Floats, Optimiser
from edgewright.training.optimisers import adam
from edgewright.training.program import cosine


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Return Adam with weight decay; `steps` is not used."""
    del steps
    return optax.adamw(learning_rate, weight_decay=weight_decay)


def step(parameters: Floats, gradients: Floats, moments: Floats, count: int, rate: float, decay: float) -> None:
    """Shrink the parameters, and change them as Adam does."""
    parameters *= 1.0 - rate * decay
    adam.step(parameters, gradients, moments, count, rate, 0.0)


OPTIMISER = Optimiser(make=make, schedule=cosine, step=step)
