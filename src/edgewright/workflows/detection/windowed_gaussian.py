"""The benchmark's windowed Gaussian, written anew: its published alarms and scores on all streams check the scorer."""

from __future__ import annotations

import math

import numpy as np

from edgewright.workflows.detection.early_alarms import Array

_WINDOW, _STEP = 6400, 100


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
