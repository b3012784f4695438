"""Impulses: short bursts at random times, as of knocks, clicks and lost bytes."""

from __future__ import annotations

import numpy as np

from edgewright.data.noise import Drawn, Noise

# Share of the samples at which a burst begins, and samples in which it falls to a third at most.
_SHARE, _LONGEST = 0.004, 6.0


def draw(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> Drawn:
    """Return bursts of random sign and size that die away within a few samples, one at least; the rate is not used."""
    del rate
    made = rng.standard_normal(shape) * (rng.random(shape) < _SHARE) * 3.0
    flat = made.reshape(-1, shape[-1])
    flat[np.arange(len(flat)), rng.integers(0, shape[-1], len(flat))] += 3.0
    keep = np.exp(-1.0 / rng.uniform(0.5, _LONGEST, len(flat)))
    for at in range(1, shape[-1]):
        flat[:, at] += keep * flat[:, at - 1]
    return np.asarray(flat.reshape(shape))


NOISE = Noise(description="short bursts at random times: knocks, clicks", draw=draw)
