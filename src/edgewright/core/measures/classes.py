"""Distance between a device's class shares before and after the release, 0 to 1."""

from edgewright.core.measures import Measure

MEASURE = Measure(default=(0.5, 0.0), rank=1)
