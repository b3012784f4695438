"""RMSprop (Tieleman and Hinton, 2012) with decoupled weight decay."""

from __future__ import annotations

from typing import Any

import optax

from edgewright.training.contract import Optimiser


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Make the transformation; `steps` is not used."""
    del steps
    return optax.chain(
        optax.scale_by_rms(), optax.add_decayed_weights(weight_decay), optax.scale_by_learning_rate(learning_rate)
    )


OPTIMISER = Optimiser(make=make)
