"""A room around the microphone: the direct sound, and a tail of noise that dies away.

The tail is Polack's statistical model (J.-D. Polack, "La transmission de l'energie sonore dans les salles", 1988):
normal noise under an exponential that falls by 60 dB in the reverberation time.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.language.synthesis.contract import Method, MethodConfig, Windows
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

_FALL = 6.907755278982137  # ln 1000: amplitudes fall by 60 dB


class RoomConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The room.

    Attributes:
        seconds: reverberation time (RT60); each window draws from half of it to one and a half.
        direct: power of the direct sound over that of the tail, in decibels.
        delay: seconds between them.
    """

    seconds: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 0.3
    direct: Annotated[float, msgspec.Meta(ge=-40.0, le=100.0)] = 5.0
    delay: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.005


def apply(config: RoomConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Sounds as long as they were, and as loud.

    Raises:
        InputError: for a rate below 1 kHz: that is no sound.
    """
    if windows.rate < 1000.0:
        raise InputError("sound of at least 1 kHz", f"{windows.rate:g} Hz", "synth room")
    count, _, samples = windows.x.shape
    made = np.empty_like(windows.x)
    size = 2 * samples
    for n in range(count):
        response = _response(config, windows.rate, samples, rng)
        wet = np.fft.irfft(np.fft.rfft(windows.x[n], size) * np.fft.rfft(response, size), size)[:, :samples]
        loud = np.sqrt((windows.x[n] ** 2).mean() / max(float((wet**2).mean()), 1e-20))
        made[n] = wet * loud
    return made


def _response(config: RoomConfig, rate: float, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Impulse response of at most so many samples."""
    seconds = config.seconds * rng.uniform(0.5, 1.5)
    length = max(1, min(samples, round(seconds * rate)))
    first = min(length, round(config.delay * rate))
    tail = rng.standard_normal(length) * np.exp(-_FALL * np.arange(length) / (seconds * rate))
    tail[:first] = 0.0
    power = float((tail**2).sum())
    if power > 0.0:
        tail *= np.sqrt(10.0 ** (-config.direct / 10.0) / power)
    tail[0] += 1.0
    return np.asarray(tail, np.float64)


METHOD = Method(config=RoomConfig, apply=apply)
