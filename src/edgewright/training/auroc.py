"""The area under the ROC curve, and how sure it is."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.trace import Interval
from edgewright.training.metrics import FEW_GROUPS, jackknife, student_t, wilson

Scores = NDArray[Any]
_DRAWS = 500


def auroc(inside: Scores, outside: Scores) -> float:
    """Compute the share of pairs in which the one inside has the larger score, ties half: area under the ROC curve."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    upto = np.searchsorted(ordered, inside, side="right")
    return float(np.mean((below + upto) / 2) / len(outside)) if len(outside) and len(inside) else 0.0


def auroc_interval(inside: Scores, outside: Scores) -> Interval:
    """Compute the area with its interval of 95 %: both sides are drawn anew, or left out one by one where one is few.

    Few samples that are all apart from the other side still tell little: the interval is never narrower than that of
    as many samples each of which is right or wrong.

    Args:
        inside: scores of samples that should have large ones, shape (n,).
        outside: scores of the others, shape (m,).
    """
    area, few = auroc(inside, outside), min(len(inside), len(outside))
    alone = wilson(round(area * few), few)
    if few < 2:
        return msgspec.structs.replace(alone, value=area)
    if few > FEW_GROUPS:
        random = np.random.default_rng(0)
        areas = [
            auroc(inside[random.integers(len(inside), size=len(inside))],
                  outside[random.integers(len(outside), size=len(outside))])
            for _ in range(_DRAWS)
        ]  # fmt: skip
        low, high = np.quantile(areas, [0.025, 0.975])
        return Interval(value=area, low=float(low), high=float(high), method="bootstrap of both sides")
    _, own, _ = jackknife(lambda rows: auroc(inside[rows], outside), np.arange(len(inside)))
    _, other, _ = jackknife(lambda rows: auroc(inside, outside[rows]), np.arange(len(outside)))
    half = student_t(few - 1) * math.hypot(own, other)
    return Interval(
        value=area, low=min(alone.low, max(0.0, area - half)), high=max(alone.high, min(1.0, area + half)),
        method=f"jackknife of both sides, t with {few - 1} degrees of freedom, 95 %",
    )  # fmt: skip
