"""Sound as the phone network takes it: log-mel frames every 10 ms, two of which are a step."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats
from edgewright.features import _sound
from edgewright.features._sound import mel_edges, mel_matrix
from espeak import RATE

MELS, FRAME, HOP, FRAMES = 40, 400, 160, 2
STEP_S = FRAMES * HOP / RATE
# Deviations beyond which a band is cut off before the network.
REACH = 6.0
_LOW, _HIGH, _FLOOR = 60.0, 7600.0, 1e-8


@cache
def _filters() -> NDArray[np.float32]:
    edges = mel_edges(MELS, _LOW, _HIGH, "htk")
    return mel_matrix(_sound.frequencies(512, float(RATE)), edges, "the phone network")


def log_mel(values: Floats) -> Floats:
    """Return whole frames of a sound at 16 kHz: shape (frames, MELS), float32."""
    count = (len(values) - FRAME) // HOP + 1
    if count < 1:
        return np.zeros((0, MELS), np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(np.asarray(values, np.float32), FRAME)[::HOP][:count]
    frames = np.empty((count, MELS), np.float32)
    taper = _sound.hann(FRAME).astype(np.float32)
    for start in range(0, count, 1024):
        spectrum = np.fft.rfft(cut[start : start + 1024] * taper, 512)
        frames[start : start + 1024] = np.log((np.abs(spectrum) ** 2 / FRAME).astype(np.float32) @ _filters() + _FLOOR)
    return frames


def step_time(step: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """Return the seconds in the middle of a step."""
    return np.asarray((np.asarray(step) * FRAMES + (FRAMES - 1) / 2) * HOP / RATE + FRAME / RATE / 2)
