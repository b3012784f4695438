"""Pink noise: power by 1 / f."""

from __future__ import annotations

import numpy as np

from edgewright.data.noise import Drawn, Noise


def coloured(white: Drawn, slope: float) -> Drawn:
    """White noise with its power brought to 1 / f ** slope, over the last axis; amplitudes go by the root of it."""
    parts = np.fft.rfft(white, axis=-1)
    parts /= np.maximum(np.arange(parts.shape[-1]), 1) ** (slope / 2)
    return np.asarray(np.fft.irfft(parts, n=white.shape[-1], axis=-1))


def draw(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> Drawn:
    """Gaussian noise whose power falls by the frequency; the rate is not used."""
    del rate
    return coloured(rng.standard_normal(shape), 1.0)


NOISE = Noise(description="power falls by 1 / f: fans, rain, crowds", draw=draw)
