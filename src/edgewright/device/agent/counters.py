"""Counts over a stretch of time in memory that does not grow: answers by label, confidence, latency."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats

_BINS = 100
_LEAST, _DECADES, _A_DECADE = 1e-6, 8, 20  # 1 µs to 100 s, a bin is 12 %


class Tally:
    """What one package answered of one stream since the last summary."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self.begin = math.nan
        self._clear()

    def _clear(self) -> None:
        self._counts = np.zeros(len(self._labels), np.int64)
        self._confidence = np.zeros(_BINS, np.int64)
        self.windows = self.unsure = self.doubted = self.gaps = self.alarms = 0
        self._sum, self._low, self._high = 0.0, math.inf, -math.inf

    def labels(self, places: NDArray[np.int64], confidence: Floats) -> None:
        """Counts answers: places of the labels and their confidence, shape (n,) each."""
        self._counts += np.bincount(places, minlength=len(self._labels))
        bins = np.clip(confidence * _BINS, 0, _BINS - 1).astype(np.int64)
        self._confidence += np.bincount(bins, minlength=_BINS)

    def numbers(self, predictions: Floats) -> None:
        """Counts predictions, shape (n,)."""
        known = predictions[np.isfinite(predictions)].astype(np.float64)
        if len(known):
            self._sum += float(known.sum())
            self._low, self._high = min(self._low, float(known.min())), max(self._high, float(known.max()))

    def detail(self, end: float) -> dict[str, Any]:
        """The summary up to a time, and a new stretch begins."""
        told: dict[str, Any] = {"windows": self.windows, "seconds": round(end - self.begin, 3)}
        counted = {name: int(n) for name, n in zip(self._labels, self._counts.tolist(), strict=True) if n}
        if counted:
            told["counts"] = counted
            told["confidence"] = [self._quantile(share) for share in (0.05, 0.5, 0.95)]
        if self._low <= self._high:
            told |= {"low": self._low, "high": self._high, "mean": self._sum / max(1, self.windows - self.doubted)}
        for name in ("unsure", "doubted", "gaps", "alarms"):
            if getattr(self, name):
                told[name] = getattr(self, name)
        self.begin = end
        self._clear()
        return told

    def _quantile(self, share: float) -> float:
        total = self._confidence.cumsum()
        # Upper edge of the bin, so that .99 means at most .99.
        return (int(np.searchsorted(total, share * total[-1])) + 1) / _BINS


class Latency:
    """Times in bins that grow by 12 %: quantiles without keeping the times."""

    def __init__(self) -> None:
        self.bins = np.zeros(_DECADES * _A_DECADE + 1, np.int64)

    def add(self, seconds: float, times: int = 1) -> None:
        """Counts a time."""
        place = math.ceil(_A_DECADE * math.log10(max(seconds, _LEAST) / _LEAST))
        self.bins[min(place, len(self.bins) - 1)] += times

    def quantile(self, share: float) -> float:
        """Upper edge of the bin in which it lies, in seconds; 0 where nothing was counted."""
        total = self.bins.cumsum()
        if not total[-1]:
            return 0.0
        place = int(np.searchsorted(total, share * total[-1]))
        return float(f"{_LEAST * 10 ** (place / _A_DECADE):.3g}")

    def since(self, before: Latency) -> Latency:
        """What was counted after a `copy`."""
        found = Latency()
        found.bins = self.bins - before.bins
        return found

    def copy(self) -> Latency:
        """As it is now."""
        return self.since(Latency())
