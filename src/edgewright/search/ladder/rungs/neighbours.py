"""Stored samples, the nearest weighing most."""

from __future__ import annotations

from edgewright.search.ladder.pipeline_ends import pipeline_rung

RUNG = pipeline_rung(80, "neighbours", "neighbours", scaled=True)
