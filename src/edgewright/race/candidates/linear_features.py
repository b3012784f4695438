"""Logistic or ridge regression on the features of a window."""

from __future__ import annotations

from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate

CANDIDATE = pipeline_candidate(
    55, "linear on features", "linear", columns=FEATURES, scaled=True, int8=True, unsupported_reason=needs_windows,
    why="weighted sums of how strong, how often and how steady each channel is", prior=0.2,
)  # fmt: skip
