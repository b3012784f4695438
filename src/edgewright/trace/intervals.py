"""The interval of a share, for figures whose record holds counts only."""

from __future__ import annotations

import math

NORMAL_95 = 1.959964


def wilson(right: float, total: int) -> tuple[float, float]:
    """The 95 % score interval of `right` out of `total` (E. B. Wilson, 1927); 0 to 1 without samples."""
    if total <= 0:
        return 0.0, 1.0
    share, z2 = right / total, NORMAL_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = NORMAL_95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)
