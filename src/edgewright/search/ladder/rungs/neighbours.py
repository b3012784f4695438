"""Nearest neighbours among stored samples, weighted by distance."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(80, "neighbours", "neighbours", scaled=True)
