"""Extra trees, pruned to 64 kB."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    69, "extra trees", "extra_trees", why="trees with random thresholds take products and noise well", prior=0.2,
    rung=False,
)  # fmt: skip
