"""Robust z-scores: how many deviations from the median, by the time of day where that matters.

The deviation is 1.4826 times the median absolute deviation, which equals the standard deviation for a normal
distribution (Rousseeuw and Croux, 1993) and is not moved by a few odd rows in training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector, enough, spread

_NORMAL = 1.4826
# A part of the season with fewer rows is judged by all rows.
_FEW = 20


class RobustConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of robust z-scores.

    Attributes:
        season: seconds after which things repeat, 86400 for a day; 0 for no season.
        bins: parts of the season with a median of their own.
        mean: rows whose mean is judged.
    """

    season: float = 0.0
    bins: int = 24
    mean: int = 1


class _Robust(RowDetector):
    """At work. A missing value is at its median."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        self._centre = np.asarray(learnt["centre"], np.float64)
        self._unit = np.asarray(learnt["unit"], np.float64)
        super().__init__(self._centre.shape[1], int(learnt["mean"]))
        self._season = float(learnt["season"])

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Return the largest z-score of all channels."""
        part = int(_parts_of(np.array([time]), self._season, len(self._centre))[0])
        z = np.where(present, (x - self._centre[part]) / self._unit[part], 0.0)
        self._parts = np.abs(self._sliding.push(z))
        return float(self._parts.max())


def _parts_of(time: NDArray[np.float64], season: float, bins: int) -> NDArray[np.int64]:
    """Return the part of the season of each time; 0 where nobody knows it."""
    if season <= 0 or bins < 2:
        return np.zeros(len(time), np.int64)
    # Multiplied first: whole seconds stay whole, and the first of a part is not counted with the part before.
    phase = np.where(np.isfinite(time), time, 0.0) % season * bins / season
    return np.asarray(np.minimum(phase.astype(np.int64), bins - 1))


def fit(config: RobustConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Medians and deviations, of each part of the season.

    Raises:
        InputError: fewer than 8 rows.
    """
    enough(values, 8, "robust")
    bins = config.bins if config.season > 0 else 1
    part = _parts_of(time, config.season, bins)
    wide = np.asarray(values, np.float64)
    centre, unit = (np.empty((bins, values.shape[1])) for _ in range(2))
    for index in range(bins):
        chosen = wide[part == index]
        for channel in range(values.shape[1]):
            column = chosen[np.isfinite(chosen[:, channel]), channel]
            if len(column) < _FEW:
                column = wide[np.isfinite(wide[:, channel]), channel]
            middle = float(np.median(column)) if len(column) else 0.0
            width = _NORMAL * float(np.median(np.abs(column - middle))) if len(column) else 0.0
            # More than half of the rows are equal: the median deviation says nothing, the standard one does.
            width = width or (float(np.std(column)) if len(column) else 0.0)
            centre[index, channel] = middle
            unit[index, channel] = spread(np.array([width]), np.array([middle]))[0]
    return {"centre": centre, "unit": unit, "season": config.season if bins > 1 else 0.0, "mean": config.mean}


DETECTOR = DetectorKind(config=RobustConfig, fit=fit, start=_Robust, windows=True)
