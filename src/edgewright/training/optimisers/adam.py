"""Adam (Kingma and Ba, 2015), betas 0.9 and 0.999, epsilon 1e-8."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgewright.training.backend import optax
from edgewright.training.contract import Floats, Optimiser

B1, B2, EPSILON = 0.9, 0.999, 1e-8


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Adam knows no weight decay here (take `adamw` for it) and no schedule: the last two are not used."""
    del weight_decay, steps
    return optax.adam(learning_rate, B1, B2, EPSILON)


def step(parameters: Floats, gradients: Floats, moments: Floats, count: int, rate: float, decay: float) -> None:
    """Change the parameters by the mean of gradients over the root of the mean of their squares.

    The moments are sums of gradients that fade, and of their squares; one factor makes means of them, and corrects that
    they begin at zero.
    """
    del decay
    total, squares = moments
    total *= B1
    total += gradients
    squares *= B2
    np.multiply(gradients, gradients, out=gradients)
    squares += gradients
    unbiased = math.sqrt((1.0 - B2 ** (count + 1)) / (1.0 - B2))
    change = np.sqrt(squares, out=gradients)
    change += EPSILON * unbiased
    np.divide(total, change, out=change)
    change *= rate * unbiased * (1.0 - B1) / (1.0 - B1 ** (count + 1))
    parameters -= change


OPTIMISER = Optimiser(make=make, step=step)
