"""Share of channels that drift."""

from edgewright.core.measures import Measure

MEASURE = Measure(column="drifting", over="channels", default=(0.2, 2.0), rank=3)
