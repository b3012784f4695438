"""The bottom: always the most frequent class, or the mean."""

from __future__ import annotations

from edgewright.search.ladder.pipeline_ends import pipeline_rung

RUNG = pipeline_rung(10, "majority", "majority")
