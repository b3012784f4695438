"""Clocks and chance of the machine that the agent runs on."""

from __future__ import annotations

import os
import random
import time


class Clocks:
    """The clocks of this machine."""

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; time in which the machine slept counts."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Luck:
    """Chance of this machine."""

    def bytes(self, count: int) -> bytes:
        """So many random bytes."""
        return os.urandom(count)

    def share(self) -> float:
        """A number from 0 up to 1."""
        return random.SystemRandom().random()
