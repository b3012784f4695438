"""Share of the devices with boards of which a board needs other firmware for the release."""

from edgewright.core.measures import Measure

MEASURE = Measure(share=True)
