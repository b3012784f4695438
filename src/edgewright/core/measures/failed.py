"""Share of devices whose trial of the release went back."""

from edgewright.core.measures import Measure

MEASURE = Measure(share=True, default=(0.3, 0.0), rank=0)
