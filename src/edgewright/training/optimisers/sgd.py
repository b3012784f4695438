"""Stochastic gradient descent with Nesterov momentum of 0.9 (Sutskever et al., 2013)."""

from __future__ import annotations

from typing import Any

from edgewright.training.backend import optax
from edgewright.training.contract import Optimiser

MOMENTUM = 0.9


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Weight decay is added to the gradient, as is usual for this optimiser; `steps` is not used."""
    del steps
    return optax.chain(
        optax.add_decayed_weights(weight_decay), optax.sgd(learning_rate, momentum=MOMENTUM, nesterov=True)
    )


OPTIMISER = Optimiser(make=make)
