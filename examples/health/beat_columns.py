"""Columns of heartbeats, each computed of its record's beats up to the next R peak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats

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


def usual(beats: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the running mean of the beats before each one in the record, shape (n, samples); the first is its own."""
    mean, running = beats[0].astype(np.float64), np.empty(beats.shape)
    for number, beat in enumerate(beats):
        running[number] = mean
        mean = mean + max(_RATE, 1 / (number + 1)) * (beat - mean)
    return running


def compared(beats: Floats) -> Floats:
    """Return beats beside what differs from the running mean, both as multiples of its size, shape (n, 2 * samples).

    Args:
        beats: without their own mean, shape (n, samples).
    """
    before = usual(beats)
    sizes = np.sqrt((before**2).mean(axis=1, keepdims=True)) + 0.02
    scaled: Floats = (np.concatenate([beats, beats - before], axis=1) / sizes).astype(np.float32)
    return scaled


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
