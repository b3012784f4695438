"""Share of unsure answers."""

from edgewright.core.measures import Measure

MEASURE = Measure(column="unsure", over="windows", default=(0.1, 2.0), rank=2)
