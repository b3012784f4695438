"""Two clocks: one that only runs forward, by which things grow old, and the wall clock, which may be wrong."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the store asks for the time."""

    def running(self) -> float:
        """Return seconds since some moment of this boot; never goes back, goes on while the machine sleeps."""

    def wall(self) -> float:
        """Return seconds since 1970 as far as the device knows."""


class SystemClock:
    """The clocks of this machine."""

    def running(self) -> float:
        """CLOCK_BOOTTIME, which counts a suspended machine's time too; the monotonic clock where there is none."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def wall(self) -> float:
        """Return the wall clock."""
        return time.time()
