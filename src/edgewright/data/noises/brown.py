"""Brown noise: power by 1 / f squared."""

from __future__ import annotations

import numpy as np

from edgewright.data.noise import Drawn, Noise
from edgewright.data.noises.pink import coloured


def draw(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> Drawn:
    """Gaussian noise whose power falls by the square of the frequency; the rate is not used."""
    del rate
    return coloured(rng.standard_normal(shape), 2.0)


NOISE = Noise(description="power falls by 1 / f squared: wind, baseline drift", draw=draw)
