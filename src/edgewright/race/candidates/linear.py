"""Logistic or ridge regression."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    50, "linear", "linear", scaled=True, int8=True,
    why="weighted sums take smooth dependencies in the least time", prior=0.0,
)  # fmt: skip
