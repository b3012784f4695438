"""Noise of machines and mains: hum, and impulses."""

from __future__ import annotations

import numpy as np

from edgewright.data.noises import Noise, Shape, noise_kind

# Of hum: frequencies of the mains, and the share to both sides by which machines do not turn exactly with them.
_MAINS, _OFF, _HARMONICS = (50.0, 60.0), 0.02, 8
# Of impulses: share of the samples at which a burst begins, and samples in which it falls to a third at most.
_SHARE, _LONGEST = 0.004, 6.0


@noise_kind("hum")
def hum(shape: Shape, rate: float, rng: np.random.Generator) -> Noise:
    """Draw the hum of mains and motors: sines near 50 or 60 Hz and at the harmonics below half the rate.

    Phases are random; amplitudes fall by 1 / number.

    Below 100 samples a second the mains cannot be seen: the base then lies between a tenth and four tenths of the rate.
    """
    rows = shape[:-1]
    slow = rate <= 2 * _MAINS[0]
    near = rng.uniform(1 - _OFF, 1 + _OFF, rows)
    base = np.asarray(rng.uniform(0.1, 0.4, rows) * rate if slow else rng.choice(_MAINS, rows) * near)
    time = np.arange(shape[-1]) / rate
    noise = np.zeros(shape)
    for number in range(1, _HARMONICS + 1):
        phase, size = rng.uniform(0, 2 * np.pi, rows), rng.uniform(0.3, 1.0, rows) / number
        below = base * number < rate / 2
        noise += (size * below)[..., None] * np.sin(2 * np.pi * number * base[..., None] * time + phase[..., None])
    return noise


@noise_kind("impulse")
def impulse(shape: Shape, _: float, rng: np.random.Generator) -> Noise:
    """Draw knocks, clicks and lost bytes: bursts of random sign and size that die away within a few samples."""
    noise = rng.standard_normal(shape) * (rng.random(shape) < _SHARE) * 3.0
    flat = noise.reshape(-1, shape[-1])
    flat[np.arange(len(flat)), rng.integers(0, shape[-1], len(flat))] += 3.0
    keep = np.exp(-1.0 / rng.uniform(0.5, _LONGEST, len(flat)))
    for at in range(1, shape[-1]):
        flat[:, at] += keep * flat[:, at - 1]
    return np.asarray(flat.reshape(shape))
