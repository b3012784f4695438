"""What the last rows do not forecast: residuals of a vector autoregression, fitted by ridge regression.

Every channel is forecast from the last rows of all channels (Lütkepohl, New Introduction to Multiple Time Series
Analysis, 2005, chapter 2). The mean residual of a few rows, in units of its deviation in training, is the score of a
channel: a shift that stays is seen where a single residual would drown in noise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DetectorSettingsError
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector, enough, filled, scales


class VarConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the vector autoregression.

    Attributes:
        order: rows that forecast the next one.
        ridge: penalty of the coefficients, on channels in units of their deviation.
        mean: rows whose mean residual is judged.
    """

    order: int = 3
    ridge: float = 10.0
    mean: int = 15


class _Var(RowDetector):
    """At work. A missing value is taken as forecast: its residual is 0. The first `order` rows have no score."""

    KEPT = ("parts", "last", "seen")

    def __init__(self, learnt: dict[str, Any]) -> None:
        self._mean, self._deviation = np.asarray(learnt["mean"]), np.asarray(learnt["deviation"])
        self._weights, self._unit = np.asarray(learnt["weights"]), np.asarray(learnt["unit"])
        super().__init__(len(self._mean), int(learnt["rows"]))
        self._last = np.zeros((int(learnt["order"]), self.channels))
        self._seen = 0

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Return the largest mean residual of all channels, in its units."""
        before = np.concatenate([self._last.ravel(), [1.0]])
        forecast = (self._weights * before).sum(1)
        learning = self._seen < len(self._last)
        usual = np.zeros(self.channels) if learning else forecast
        z = np.where(present, (x - self._mean) / self._deviation, usual)
        self._last = np.concatenate([z[None], self._last[:-1]])
        self._seen = min(self._seen + 1, len(self._last))
        if learning:
            self._parts = np.zeros(self.channels)
            return math.nan
        self._parts = np.abs(self._sliding.push(z - forecast)) / self._unit * math.sqrt(self._sliding.full)
        return float(self._parts.max())


def fit(config: VarConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Coefficients of all channels, shape (channels, order * channels + 1), and the deviation of mean residuals.

    Raises:
        InputError: too few rows, or settings that are not possible.
    """
    if config.order < 1 or config.mean < 1 or config.ridge <= 0:
        raise DetectorSettingsError(
            "order and mean from 1 on and ridge above 0", f"{config.order}, {config.mean}", "var"
        )
    enough(values, 4 * config.order + 2 * config.mean, "var")
    mean, deviation = scales(values)
    z = filled(values, mean, deviation)
    order, channels = config.order, z.shape[1]
    before = np.concatenate(
        [z[order - 1 - k : len(z) - 1 - k] for k in range(order)] + [np.ones((len(z) - order, 1))], 1
    )
    penalty = config.ridge * np.eye(order * channels + 1)
    weights = np.linalg.solve(before.T @ before + penalty, before.T @ z[order:]).T
    residuals = z[order:] - before @ weights.T
    # The mean of a known number of residuals; the first, of fewer, are left out.
    sums = np.cumsum(np.concatenate([np.zeros((1, channels)), residuals]), 0)
    means = (sums[config.mean :] - sums[: -config.mean]) / config.mean
    unit = np.maximum(means.std(0), 1e-6)
    return {
        "mean": mean, "deviation": deviation, "weights": np.ascontiguousarray(weights), "unit": unit,
        "order": order, "rows": config.mean,
    }  # fmt: skip


DETECTOR = DetectorKind(config=VarConfig, fit=fit, start=_Var)
