"""Boosted trees of thirty rounds."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    75, "boosting", "boosting", why="trees that correct each other take sudden limits well", prior=0.2,
)  # fmt: skip
