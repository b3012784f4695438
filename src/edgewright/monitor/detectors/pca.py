"""Principal components: T² within the usual directions, Q outside of them (Jackson and Mudholkar, 1979).

Both are divided by what 99 % of the training rows stay below, and the larger counts: 1 is the edge of what was usual.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DetectorSettingsError
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector, SlidingMean, enough, filled, scales

_USUAL = 0.99
_MIN_VARIANCE = 1e-12


class PcaConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of principal components.

    Attributes:
        variance: share of the training variance that the kept components hold.
        mean: rows whose mean is judged.
    """

    variance: float = 0.9
    mean: int = 1


class _Pca(RowDetector):
    """At work. A missing value is at its training mean."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        self._mean, self._deviation = np.asarray(learnt["mean"]), np.asarray(learnt["deviation"])
        self._axes, self._variances = np.asarray(learnt["axes"]), np.asarray(learnt["variances"])
        self._limits = (float(learnt["t2_limit"]), float(learnt["q_limit"]))
        super().__init__(len(self._mean), int(learnt["rows"]))

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Return the larger of T² and Q, each in units of its limit."""
        z = self._sliding.push(np.where(present, (x - self._mean) / self._deviation, 0.0))
        inside, outside = _parts(z, self._axes, self._variances)
        scores = (float(inside.sum()) / self._limits[0], float(outside.sum()) / self._limits[1])
        # A channel's term of T² can be negative where another's is larger for it; it then has no part in the blame.
        self._parts = outside if scores[1] > scores[0] else np.maximum(inside, 0.0)
        return max(0.0, *scores) * self._sliding.full


def _parts(
    z: NDArray[np.float64], axes: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what every channel adds to T² and to Q, each of shape (channels,); axes are (components, channels)."""
    along = (axes * z).sum(1)
    inside = z * (axes * (along / variances)[:, None]).sum(0)
    return inside, (z - (axes * along[:, None]).sum(0)) ** 2


def fit(config: PcaConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Components of the rows, or of their sliding means, and the limits.

    Raises:
        InputError: fewer than 8 rows, or a share that is none.
    """
    enough(values, 8, "pca")
    if not 0 < config.variance <= 1 or config.mean < 1:
        raise DetectorSettingsError(
            "variance above 0 up to 1 and mean from 1 on", f"{config.variance:g}, {config.mean}", "pca"
        )
    mean, deviation = scales(values)
    sliding = SlidingMean(config.mean, values.shape[1])
    z = np.stack([sliding.push(row) for row in filled(values, mean, deviation)])
    z = z[min(config.mean - 1, len(z) // 2) :]
    covariance = z.T @ z / len(z)
    variances, axes = np.linalg.eigh(covariance)
    variances, axes = variances[::-1], axes[:, ::-1].T
    total = max(float(variances.sum()), _MIN_VARIANCE)
    kept = max(1, int(np.searchsorted(np.cumsum(variances) / total, config.variance - 1e-9) + 1))
    axes, variances = np.ascontiguousarray(axes[:kept]), np.maximum(variances[:kept], 1e-6 * total)
    both = [_parts(row, axes, variances) for row in z]
    limits = [float(np.quantile([part[side].sum() for part in both], _USUAL)) for side in (0, 1)]
    # Components that hold everything leave nothing outside: the limit is then rounding, and a floor takes its place.
    floor = 1e-6 * total
    return {
        "mean": mean, "deviation": deviation, "axes": axes, "variances": variances,
        "t2_limit": max(limits[0], 1e-6), "q_limit": max(limits[1], floor), "rows": config.mean,
    }  # fmt: skip


DETECTOR = DetectorKind(config=PcaConfig, fit=fit, start=_Pca, windows=True)
