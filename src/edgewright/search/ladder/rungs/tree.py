"""One decision tree with at most six levels."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(60, "tree", "tree")
