"""Noise of electrodes on skin: what the noise stress test of MIT-BIH (Moody et al., 1984) recorded, synthesised."""

from __future__ import annotations

import numpy as np

from edgewright.data.noises import Noise, Shape, noise_kind
from edgewright.data.noises.spectral import coloured

# Hz: breathing moves the base line below, muscles sound above.
_BREATH, _MUSCLE = 0.5, 20.0
# Mean seconds between movements of an electrode, and how long one lasts.
_MOVED, _LASTING = 4.0, 0.4
# Shares of the power: base line, muscle, movements.
_SHARES = (0.3, 0.2, 0.5)


@noise_kind("electrodes")
def electrodes(shape: Shape, rate: float, rng: np.random.Generator) -> Noise:
    """Draw a wandering base line, bursts of muscle, and movements of the electrode that look like beats."""
    samples = shape[-1]
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    parts = (
        _kept(coloured(rng.standard_normal(shape), 2.0), frequency <= _BREATH),
        _kept(rng.standard_normal(shape), frequency >= _MUSCLE) * _bursts(shape, rate, rng),
        _movements(shape, rate, rng),
    )
    # A stretch that is too short for a part goes without it.
    sizes = [np.sqrt((part**2).mean(axis=-1, keepdims=True)) for part in parts]
    noise: Noise = sum(
        np.sqrt(share) * part / np.where(size > 0, size, 1.0)
        for share, part, size in zip(_SHARES, parts, sizes, strict=True)
    )
    return noise


def _kept(noise: Noise, frequencies: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Noise:
    spectrum = np.where(frequencies, np.fft.rfft(noise, axis=-1), 0)
    return np.asarray(np.fft.irfft(spectrum, n=noise.shape[-1], axis=-1))


def _bursts(shape: Shape, rate: float, rng: np.random.Generator) -> Noise:
    """Return how strong muscles are: slow, never below zero."""
    slow = coloured(rng.standard_normal(shape), 2.0)
    return np.asarray(np.abs(slow) / max(float(np.abs(slow).max()), 1e-12))


def _movements(shape: Shape, rate: float, rng: np.random.Generator) -> Noise:
    """Return jumps at random moments that decay within half a second."""
    jumps = rng.standard_normal(shape) * (rng.random(shape) < 1 / (_MOVED * rate))
    seconds = np.arange(max(1, round(5 * _LASTING * rate))) / rate
    shape_of = np.exp(-seconds / _LASTING) * np.minimum(1, seconds / 0.05)
    length = shape[-1] + len(shape_of) - 1
    whole = np.fft.irfft(np.fft.rfft(jumps, length, axis=-1) * np.fft.rfft(shape_of, length), length, axis=-1)
    return np.asarray(whole[..., : shape[-1]])
