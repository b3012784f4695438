"""Rule list over columns, their products, differences and ratios."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    30, "rule list", "rules", why="rules can be read, and take products and ratios of columns into account", prior=-0.5,
)  # fmt: skip
