"""Boosted trees, thirty rounds."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(75, "boosting", "boosting")
