"""Limits on both sides of every channel, as training had them: the signal of a sensor that is flat, off or noisy.

A score of 1 is the edge of what was usual, from the median, upwards or downwards. What was always positive in training,
such as the deviation of a window, is compared by its logarithm: a window without movement is far from the smallest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DetectorSettingsError
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import Array, RowDetector, enough, spread

# What is compared by its logarithm counts as no less than this share of the lower limit.
_FLOOR = 1e-3


class LimitsConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of limits.

    Attributes:
        usual: share of the training rows that lies within the limits of a channel.
    """

    usual: float = 0.998


class _Limits(RowDetector):
    """At work. A missing value is within the limits."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        self._minimum, self._middle = np.asarray(learnt["least"]), np.asarray(learnt["middle"])
        self._up, self._down = np.asarray(learnt["up"]), np.asarray(learnt["down"])
        super().__init__(len(self._middle))

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Return the largest distance from the median, as a share of that of the limit on the same side."""
        away = _compared(x, self._minimum) - self._middle
        self._parts = np.where(present, np.maximum(away / self._up, -away / self._down), 0.0)
        return float(self._parts.max())


def _compared(values: Array, lowest: Array) -> Array:
    """Return values, or logarithms of channels with a least value above 0."""
    positive = lowest > 0
    logs = np.log(np.maximum(np.where(positive & np.isfinite(values), values, 1.0), np.where(positive, lowest, 1.0)))
    return np.where(positive, logs, values)


def fit(config: LimitsConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Limits and medians of the channels.

    Raises:
        InputError: fewer than 8 rows, or a share that is none.
    """
    enough(values, 8, "limits")
    if not 0 < config.usual < 1:
        raise DetectorSettingsError("usual above 0 and below 1", f"{config.usual:g}", "limits")
    wide = np.asarray(values, np.float64)
    outside = (1 - config.usual) / 2
    # A channel without a value has no limits: everything is as far as a thousand units.
    known = [column[np.isfinite(column)] for column in wide.T]
    known = [column if len(column) else np.zeros(1) for column in known]
    lowest = np.array([_FLOOR * np.quantile(column, outside) if column.min() > 0 else 0.0 for column in known])
    columns = [_compared(column, np.full(len(column), limit)) for column, limit in zip(known, lowest, strict=True)]
    low, middle, high = np.array([np.quantile(column, (outside, 0.5, 1 - outside)) for column in columns]).T
    return {
        "least": lowest,
        "middle": middle,
        "up": spread(high - middle, middle),
        "down": spread(middle - low, middle),
    }


DETECTOR = DetectorKind(config=LimitsConfig, fit=fit, start=_Limits, windows=True)
