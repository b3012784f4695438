"""p99 latency of answers in seconds, from the last row."""

from edgewright.core.measures import Measure

MEASURE = Measure(column="latency_p99", total="avg", unit=" s", default=(0.1, 3.0), rank=7)
