"""Nearest neighbours among stored samples, weighted by distance."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    80, "neighbours", "neighbours", scaled=True, why="samples that are kept answer for those near them", prior=-0.2,
)  # fmt: skip
