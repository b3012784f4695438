"""Rule list over columns, their products, differences and ratios."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(30, "rule list", "rules")
