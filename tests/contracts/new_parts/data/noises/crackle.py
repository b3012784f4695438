"""Noise of a bad contact."""

from __future__ import annotations

import numpy as np

from edgewright.data.noises import Noise, Shape, noise_kind


@noise_kind("crackle")
def crackle(shape: Shape, _: float, rng: np.random.Generator) -> Noise:
    """Draw single samples of either sign, one in fifty."""
    return np.asarray(rng.choice([-1.0, 1.0], shape) * (rng.random(shape) < 0.02))
