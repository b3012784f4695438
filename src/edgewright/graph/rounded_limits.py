"""Thresholds of float64 for values of float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def float32_limits(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: `x <= threshold` stays true for the same float32 values."""
    limits: NDArray[np.float32] = thresholds.astype(np.float32)
    high = limits.astype(np.float64) > thresholds
    limits[high] = np.nextafter(limits[high], np.float32(-np.inf))
    return limits
