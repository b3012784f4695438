"""Share of a processor that the model's process uses while rows arrive."""

import time

from edgewright.core.measures import Measure

MEASURE = Measure(
    column="processor", over="seconds", read=time.process_time, unit=" of a processor", default=(0.05, 3.0), rank=9
)
