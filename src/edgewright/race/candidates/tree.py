"""One decision tree with at most six levels."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    60, "tree", "tree", why="a tree can be read", prior=-0.5,
)  # fmt: skip
