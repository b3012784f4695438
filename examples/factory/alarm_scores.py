"""Scores of early alarms on streams whose anomalies are labelled windows: those of the Numenta Anomaly Benchmark.

The scoring follows Lavin and Ahmad (2015), arXiv 1510.03336, section 3, and what the benchmark's published files of
results show where the paper is silent: how long the probation lasts, and what an alarm after the last window costs. Its
test compares with those results to the last printed digit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Of the rows of a stream, at most of 5,000 rows, the first 15 % are not scored.
_PROBATION, _PROBATION_OF = 0.15, 5000
Array = NDArray[np.float64]
_WINDOW, _STEP = 6400, 100


@dataclass(frozen=True)
class Weights:
    """What a profile pays for a window found early, takes for a false alarm, and for a window missed."""

    detected: float
    false: float
    missed: float


@dataclass(frozen=True)
class Series:
    """One stream of the benchmark.

    Attributes:
        name: 'realTweets/Twitter_volume_KO.csv'.
        time: shape (rows,), seconds since 1970.
        values: shape (rows,), float64.
        windows: first and last row of every labelled window, in order.
    """

    name: str
    time: Array
    values: Array
    windows: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Worth:
    """What an alarm at each row would count, and where it counts.

    Attributes:
        gain: shape (rows,): for a row inside a window what it earns when it is the window's best alarm; for one
            outside, what it costs (not positive, but just after a window nearly 0).
        window: shape (rows,), index of the window, -1 outside, -2 in the probation.
        windows: how many windows are scored.
    """

    gain: Array
    window: NDArray[np.int64]
    windows: int


STANDARD = Weights(detected=1.0, false=0.11, missed=1.0)
"""The profile by which the benchmark ranks detectors."""


def worth(rows: int, windows: Sequence[tuple[int, int]], weights: Weights) -> Worth:
    """Return what alarms would count at each row of a stream.

    Args:
        rows: of the stream.
        windows: first and last row of each.
        weights: of the profile.
    """
    gain, window = np.full(rows, -weights.false), np.full(rows, -1, np.int64)
    maximum = _sigmoid(-1.0)
    for index, (first, last) in enumerate(windows):
        width = last - first + 1
        for row in range(first, last + 1):
            gain[row] = _sigmoid(-(last - row + 1) / width) * weights.detected / maximum
            window[row] = index
        following = windows[index + 1][0] if index + 1 < len(windows) else rows
        for row in range(last + 1, following):
            gain[row] = _sigmoid((row - last) / max(width - 1, 1)) * weights.false
    probation = math.ceil(min(math.floor(_PROBATION * rows), _PROBATION * _PROBATION_OF))
    window[:probation] = -2
    return Worth(gain, window, len(set(window[window >= 0].tolist())))


def _sigmoid(position: float) -> float:
    """Scaled sigmoid of a position relative to a window: -1 at its beginning, 0 at its end."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def score(alarms: NDArray[np.bool_], value: Worth, weights: Weights) -> float:
    """Return the raw score of one stream.

    Args:
        alarms: shape (rows,), whether a row raises one.
        value: of the stream.
        weights: of the profile.
    """
    false = float(value.gain[alarms & (value.window == -1)].sum())
    inside = np.flatnonzero(alarms & (value.window >= 0))
    best: dict[int, float] = {}
    for row in inside:
        index = int(value.window[row])
        best[index] = max(best.get(index, -weights.missed), float(value.gain[row]))
    return false + sum(best.values()) - weights.missed * (value.windows - len(best))


def normalised(total: float, windows: int, weights: Weights) -> float:
    """100 for every window found at its first row without a false alarm, 0 for no alarm at all."""
    null = -windows * weights.missed
    return 100 * (total - null) / (windows * weights.detected - null)


def benchmark_score(
    alarms: Mapping[str, NDArray[np.bool_]], given: Sequence[Series], weights: Weights
) -> tuple[float, dict[str, float]]:
    """Return the score over streams, normalised, and the raw score of each."""
    values = {s.name: worth(len(s.time), s.windows, weights) for s in given}
    each = {s.name: score(alarms[s.name], values[s.name], weights) for s in given}
    return normalised(sum(each.values()), sum(v.windows for v in values.values()), weights), each


def windowed_gaussian(values: Array) -> Array:
    """Scores from 0.5 to 1: one minus the tail of a normal distribution of the last 6,400 rows, renewed every 100.

    Args:
        values: shape (rows,).
    """
    out = np.zeros(len(values))
    mean, deviation, used = 0.0, 1.0, 0
    for row, value in enumerate(values):
        if row:
            score = 1 - 0.5 * math.erfc(abs(value - mean) / deviation / math.sqrt(2))
            # The published scores were written with twelve digits and read again: 1 - 1e-13 became 1.
            out[row] = float(f"{score:.12g}")
        seen = row + 1
        if seen <= _WINDOW or (seen - _WINDOW) % _STEP == 0:
            used = max(0, seen - _WINDOW)
            mean, deviation = float(np.mean(values[used:seen])), float(np.std(values[used:seen])) or 1e-6
    return out
