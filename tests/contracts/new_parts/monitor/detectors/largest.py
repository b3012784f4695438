"""The largest deviation from the mean of training, in standard deviations of training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector, enough, spread


class LargestConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the largest deviation.

    Attributes:
        floor: smallest standard deviation of a channel.
    """

    floor: float = 1e-6


class _Largest(RowDetector):
    """The detector at work."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        self._centre, self._unit = np.asarray(learnt["centre"]), np.asarray(learnt["unit"])
        super().__init__(len(self._centre))

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Return the largest deviation of all channels."""
        self._parts = np.abs(np.where(present, (x - self._centre) / self._unit, 0.0))
        return float(self._parts.max())


def _fit(config: LargestConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    enough(values, 8, "largest")
    wide = np.ma.masked_invalid(np.asarray(values, np.float64))
    centre = np.asarray(wide.mean(axis=0).filled(0.0))
    deviation = np.maximum(np.asarray(wide.std(axis=0).filled(0.0)), config.floor)
    return {"centre": centre, "unit": spread(deviation, centre)}


DETECTOR = DetectorKind(config=LargestConfig, fit=_fit, start=_Largest, windows=True)
