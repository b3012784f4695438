"""Extra trees on the features of a window, pruned to 64 kB."""

from __future__ import annotations

from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate

CANDIDATE = pipeline_candidate(
    74, "extra trees on features", "extra_trees", columns=FEATURES, unsupported_reason=needs_windows, rung=False,
    why="trees with random thresholds over how strong, how often and how steady each channel is", prior=0.3,
)  # fmt: skip
