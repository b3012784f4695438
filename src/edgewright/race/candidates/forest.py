"""Random forest of fifty trees with at most ten levels."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    70, "forest", "forest", why="many small trees take sudden limits and products", prior=0.2,
)  # fmt: skip
