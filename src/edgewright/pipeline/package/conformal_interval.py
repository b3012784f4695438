"""Interval around a predicted amount, from the errors on test samples (split conformal: Lei et al., 2018)."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from edgewright.schema.package import IntervalSpec
from edgewright.schema.trace import EvaluationRecord

LEVEL = 0.9
"""Share of the truth that the interval is to hold."""
MIN_SAMPLES = math.ceil(2 / (1 - LEVEL)) - 1
"""Test samples below which no finite interval holds that share."""


def conformal_interval(evaluation: EvaluationRecord) -> IntervalSpec | msgspec.UnsetType:
    """Return the interval of a regression; unset for other tasks, for too few errors, and if they were not recorded.

    New samples that are drawn as the test samples were lie in it with a probability of at least `LEVEL`.
    """
    recorded = evaluation.answers
    if isinstance(recorded, msgspec.UnsetType) or len(recorded.errors) < 4 * MIN_SAMPLES:
        return msgspec.UNSET
    residuals = np.sort(-np.frombuffer(recorded.errors, "<f4").astype(np.float64))
    tail = math.floor((len(residuals) + 1) * (1 - LEVEL) / 2 + 1e-9)
    low, high = float(residuals[tail - 1]), float(residuals[-tail])
    return IntervalSpec(level=LEVEL, edges=(), low=(min(low, 0.0),), high=(max(high, 0.0),))
