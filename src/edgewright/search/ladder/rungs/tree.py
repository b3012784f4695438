"""One decision tree of six levels."""

from __future__ import annotations

from edgewright.search.ladder.pipeline_ends import pipeline_rung

RUNG = pipeline_rung(60, "tree", "tree")
