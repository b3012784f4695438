"""Distance to the nearest of a few centres of the training rows (k-means: Lloyd, 1982, begun as k-means++)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector, enough, filled, scales

_ROUNDS = 50
_MAX_ROWS = 20_000


class KMeansConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the distance to centres.

    Attributes:
        centres: how many.
        seed: of their first places.
    """

    centres: int = 8
    seed: int = 0


class _KMeans(RowDetector):
    """At work; it remembers nothing. A missing value is at its training mean for the choice, and adds no distance."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        self._mean = np.asarray(learnt["mean"], np.float64)
        self._deviation = np.asarray(learnt["deviation"], np.float64)
        self._centres = np.asarray(learnt["centres"], np.float64)
        super().__init__(len(self._mean))

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Root mean square, over the channels present, of the distance to the nearest centre."""
        z = np.where(present, (x - self._mean) / self._deviation, 0.0)
        squares = np.where(present, (z - self._centres) ** 2, 0.0)
        self._parts = squares[int(squares.sum(1).argmin())]
        return float(np.sqrt(self._parts.sum() / present.sum()))


def fit(config: KMeansConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Centres of at most 20,000 of the rows, in units of each channel's deviation.

    Raises:
        InputError: fewer than 8 rows.
    """
    enough(values, 8, "k_means")
    mean, deviation = scales(values)
    z = filled(values, mean, deviation)
    rng = np.random.default_rng(config.seed)
    if len(z) > _MAX_ROWS:
        z = z[np.sort(rng.choice(len(z), _MAX_ROWS, replace=False))]
    centres = _first(z, max(1, min(config.centres, len(z))), rng)
    nearest = np.full(len(z), -1)
    for _ in range(_ROUNDS):
        now = _distances(z, centres).argmin(1)
        if np.array_equal(now, nearest):
            break
        nearest = now
        for index in range(len(centres)):
            if (nearest == index).any():
                centres[index] = z[nearest == index].mean(0)
    return {"mean": mean, "deviation": deviation, "centres": centres}


def _first(z: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """First centres: each a row, drawn with the square of its distance to those already chosen."""
    chosen = [z[rng.integers(len(z))]]
    for _ in range(count - 1):
        far = _distances(z, np.stack(chosen)).min(1)
        total = far.sum()
        chosen.append(z[rng.choice(len(z), p=far / total)] if total > 0 else chosen[0])
    return np.stack(chosen)


def _distances(z: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances, shape (rows, centres)."""
    return np.stack([((z - centre) ** 2).sum(1) for centre in centres], 1)


DETECTOR = DetectorKind(config=KMeansConfig, fit=fit, start=_KMeans, windows=True)
