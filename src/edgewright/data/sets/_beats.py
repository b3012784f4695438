"""Columns of heartbeats, each computed of its record's beats up to the next R peak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats

# Beats over which an interval is a multiple of the mean: lately, and as a baseline.
LATELY, LONG = 10, 100
# Weight of a beat in the running mean of the beats of its record; the first ones weigh the same.
_RATE = 0.02


def averaged(beats: Floats, count: int) -> Floats:
    """Return means of so many neighbouring samples, shape (n, samples / count)."""
    means: Floats = beats.reshape(len(beats), -1, count).mean(axis=2, dtype=np.float32)
    return means


def level(beats: Floats) -> Floats:
    """Return beats without their own mean, shape (n, samples)."""
    flat: Floats = beats - beats.mean(axis=1, keepdims=True, dtype=np.float32)
    return flat


def changes(beats: Floats) -> Floats:
    """Return beats less the running mean of those before them in the record, shape (n, samples); the first is 0."""
    usual, less = beats[0].astype(np.float64), np.empty_like(beats)
    for number, beat in enumerate(beats):
        less[number] = beat - usual
        usual += max(_RATE, 1 / (number + 1)) * less[number]
    return less


def intervals(seconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the interval before each beat and the one after it, from the times of R peaks; ends take the nearest."""
    between = np.diff(seconds)
    return np.concatenate([between[:1], between]), np.concatenate([between, between[-1:]])


def shares(before: NDArray[np.float64], after: NDArray[np.float64], count: int) -> Floats:
    """Return both intervals as multiples of the mean of the last so many before a beat, shape (n, 2)."""
    total = np.concatenate([[0.0], np.cumsum(before)])
    ends = np.arange(1, len(before) + 1)
    starts = np.maximum(0, ends - count)
    mean = (total[ends] - total[starts]) / (ends - starts)
    return np.stack([before / mean, after / mean], axis=1).astype(np.float32)
