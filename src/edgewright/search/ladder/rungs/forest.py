"""Fifty trees of ten levels."""

from __future__ import annotations

from edgewright.search.ladder.pipeline_ends import pipeline_rung

RUNG = pipeline_rung(70, "forest", "forest")
