"""Share of devices that acknowledged an intent and said nothing since."""

from edgewright.core.measures import Measure

MEASURE = Measure(share=True)
