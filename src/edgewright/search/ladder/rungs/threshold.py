"""One column and one threshold (several for more classes or an amount)."""

from __future__ import annotations

from edgewright.search.ladder.pipeline_ends import pipeline_rung

RUNG = pipeline_rung(20, "threshold", "threshold")
