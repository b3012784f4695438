"""Crashes, and restarts after a power loss or by a watchdog, a day; gates leave out each device's first."""

from edgewright.core.measures import DAY, Measure

MEASURE = Measure(column="crashes", over="seconds", scale=DAY, unit=" a day", default=(2.0, 3.0), rank=6)
