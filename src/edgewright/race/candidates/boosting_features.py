"""Boosted trees on the features of a window."""

from __future__ import annotations

from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate

CANDIDATE = pipeline_candidate(
    77, "boosting on features", "boosting", columns=FEATURES, unsupported_reason=needs_windows,
    why="trees that correct each other over how strong, how often and how steady each channel is", prior=0.2,
    rung=False,
)  # fmt: skip
