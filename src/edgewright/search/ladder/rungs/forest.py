"""Random forest of fifty trees with at most ten levels."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(70, "forest", "forest")
