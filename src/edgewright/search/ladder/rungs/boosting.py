"""Thirty rounds of boosted trees."""

from __future__ import annotations

from edgewright.search.ladder.pipeline_ends import pipeline_rung

RUNG = pipeline_rung(75, "boosting", "boosting")
