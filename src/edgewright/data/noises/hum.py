"""Hum of the mains or of a machine: a base frequency near 50 or 60 Hz and harmonics that get weaker."""

from __future__ import annotations

import numpy as np

from edgewright.data.noise import Drawn, Noise

_MAINS = (50.0, 60.0)
# Of the frequency, to both sides: machines do not turn exactly with the mains.
_OFF = 0.02
_HARMONICS = 8


def draw(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> Drawn:
    """Sines at the base and its harmonics below half the rate, with random phases and amplitudes by 1 / number.

    Below 100 samples a second the mains cannot be seen: the base then lies between a tenth and four tenths of the rate.
    """
    rows = shape[:-1]
    slow = rate <= 2 * _MAINS[0]
    near = rng.uniform(1 - _OFF, 1 + _OFF, rows)
    base = np.asarray(rng.uniform(0.1, 0.4, rows) * rate if slow else rng.choice(_MAINS, rows) * near)
    time = np.arange(shape[-1]) / rate
    made = np.zeros(shape)
    for number in range(1, _HARMONICS + 1):
        phase, size = rng.uniform(0, 2 * np.pi, rows), rng.uniform(0.3, 1.0, rows) / number
        below = base * number < rate / 2
        made += (size * below)[..., None] * np.sin(2 * np.pi * number * base[..., None] * time + phase[..., None])
    return made


NOISE = Noise(description="a base near 50 or 60 Hz with harmonics: mains, motors", draw=draw)
