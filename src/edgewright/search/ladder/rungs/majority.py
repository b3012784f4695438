"""Lowest rung: always predicts the most frequent class, or the mean."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(10, "majority", "majority")
