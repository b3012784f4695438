"""Noise whose power is a function of the frequency."""

from __future__ import annotations

import numpy as np

from edgewright.data.noises import Noise, Shape, noise_kind


def coloured(white: Noise, slope: float) -> Noise:
    """Return white noise with its power brought to 1 / f ** slope, over the last axis."""
    # Amplitudes go by the root of the power.
    parts = np.fft.rfft(white, axis=-1)
    parts /= np.maximum(np.arange(parts.shape[-1]), 1) ** (slope / 2)
    return np.asarray(np.fft.irfft(parts, n=white.shape[-1], axis=-1))


@noise_kind("white")
def white(shape: Shape, _: float, rng: np.random.Generator) -> Noise:
    """Draw noise of the same power at every frequency."""
    return rng.standard_normal(shape)


@noise_kind("pink")
def pink(shape: Shape, _: float, rng: np.random.Generator) -> Noise:
    """Draw noise whose power falls by 1 / f: fans, rain, crowds."""
    return coloured(rng.standard_normal(shape), 1.0)


@noise_kind("brown")
def brown(shape: Shape, _: float, rng: np.random.Generator) -> Noise:
    """Draw noise whose power falls by 1 / f squared: wind, baseline drift."""
    return coloured(rng.standard_normal(shape), 2.0)
