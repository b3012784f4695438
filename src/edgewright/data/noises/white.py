"""White Gaussian noise: the same power at every frequency."""

from __future__ import annotations

import numpy as np

from edgewright.data.noise import Drawn, Noise


def draw(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> Drawn:
    """Independent normal numbers; the rate is not used."""
    del rate
    return rng.standard_normal(shape)


NOISE = Noise(description="Gaussian, the same power at every frequency", draw=draw)
