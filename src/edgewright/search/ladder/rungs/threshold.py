"""One column with one threshold; several thresholds for more classes or a regression."""

from __future__ import annotations

from edgewright.search.ladder.model_rungs import pipeline_rung

RUNG = pipeline_rung(20, "threshold", "threshold")
