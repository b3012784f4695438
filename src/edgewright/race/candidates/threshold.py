"""One column with one threshold; several thresholds for more classes or a regression."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    20, "threshold", "threshold", why="nothing simpler looks at the data", prior=-1.0,
)  # fmt: skip
