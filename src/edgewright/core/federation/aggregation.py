"""Means over groups that a minority of poisoned groups moves little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.federation import MeanKind

Array = NDArray[np.float64]
_STEPS = 50


def robust_mean(changes: Array, kind: MeanKind) -> Array:
    """Return one change for those of several groups.

    Args:
        changes: mean change of each group, shape (groups, length).
        kind: 'median' of each number (Yin et al., Byzantine-robust distributed learning, ICML 2018),
            'geometric' for the geometric median (Pillutla et al., Robust aggregation for federated learning, 2022),
            'mean' for no protection.
    """
    return _KINDS[kind](changes)


def _mean(changes: Array) -> Array:
    found: Array = changes.mean(axis=0)
    return found


def _median(changes: Array) -> Array:
    found: Array = np.median(changes, axis=0)
    return found


def _geometric(changes: Array) -> Array:
    """Return the point with the smallest sum of distances (Weiszfeld's steps)."""
    point = _median(changes)
    smallest = 1e-6 * float(np.linalg.norm(changes, axis=1).max() + 1.0)
    for _ in range(_STEPS):
        weights = 1.0 / np.maximum(np.linalg.norm(changes - point, axis=1), smallest)
        point = (weights[:, None] * changes).sum(axis=0) / weights.sum()
    return point


_KINDS: dict[MeanKind, Callable[[Array], Array]] = {
    "mean": _mean, "median": _median, "geometric": _geometric,
}  # fmt: skip
