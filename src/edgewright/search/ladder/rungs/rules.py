"""A list of rules over columns, products, differences and ratios."""

from __future__ import annotations

from edgewright.search.ladder.pipeline_ends import pipeline_rung

RUNG = pipeline_rung(30, "rule list", "rules")
