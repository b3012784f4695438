"""Lowest rung of the ladder: it always predicts the most frequent class, or the mean."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    10, "majority", "majority", why="always the most frequent answer", prior=-3.0,
)  # fmt: skip
