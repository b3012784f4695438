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


class Age:
    """Running time of the device over all its boots, in seconds: what a store calls old.

    The wall clock of a board without a battery may jump by years. Retention, expiry and back-off count this instead;
    time when the device was off does not count.

    Args:
        clock: of this boot.
        before: age when the last boot ended, as far as it was stored.
    """

    def __init__(self, clock: Clock, before: float) -> None:
        self._clock = clock
        self._offset = before - clock.running()

    def now(self) -> float:
        """Return seconds."""
        return self._clock.running() + self._offset
