"""Temperature of the processor."""

from edgewright.core.measures import Measure, register


def celsius() -> float:
    """Return what a sensor of this board says."""
    return 51.5


register("heat")(
    Measure(
        meaning="Temperature of the processor",
        column="heat",
        total="max",
        read=celsius,
        unit=" °C",
        default=(90.0, 2.0),
    )
)
