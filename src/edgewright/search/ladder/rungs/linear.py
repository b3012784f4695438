"""Logistic or ridge regression."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(50, "linear", "linear", scaled=True, int8=True)
