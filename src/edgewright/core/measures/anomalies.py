"""Anomalies a day of rows that arrive."""

from edgewright.core.measures import DAY, Measure

MEASURE = Measure(column="anomalies", over="seconds", scale=DAY, unit=" a day", default=(5.0, 3.0), rank=5)
