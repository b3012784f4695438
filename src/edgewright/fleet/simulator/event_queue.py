"""Simulated time: an event queue, clocks that can be wrong, and seeded random numbers."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable

BEGIN = 1_800_000_000.0
"""Seconds since 1970 at which every simulation begins (15 January 2027, 08:00 UTC)."""
Act = Callable[[], None]


class EventQueue:
    """Events in order of time; events at the same time run in the order of their scheduling.

    Args:
        begin: seconds since 1970 at which it begins.
    """

    def __init__(self, begin: float = BEGIN) -> None:
        self.now = self._begin = begin
        self._queue: list[tuple[float, int, Act]] = []
        self._count = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the simulation began."""
        return self.now - self._begin

    def at(self, moment: float, act: Act) -> None:
        """Schedule an event at a time; an event in the past runs now."""
        self._count += 1
        heapq.heappush(self._queue, (max(moment, self.now), self._count, act))

    def after(self, seconds: float, act: Act) -> None:
        """Schedule an event after a number of seconds."""
        self.at(self.now + seconds, act)

    def run(self, until: float) -> None:
        """Run all events up to a time."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = until


class Clock:
    """A simulated clock of a device or the control plane.

    Attributes:
        skew: seconds by which its wall clock is wrong.
    """

    def __init__(self, events: EventQueue) -> None:
        self._events, self.skew = events, 0.0

    def wall(self) -> float:
        """Return seconds since 1970 by this clock."""
        return self._events.now + self.skew

    def monotonic(self) -> float:
        """Return seconds since the simulation began."""
        return self._events.elapsed


class SeededRandom:
    """Random numbers from a seed and a name: little memory per device, and independent streams."""

    def __init__(self, seed: int, name: str) -> None:
        self._key = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
        self._count = 0

    def bytes(self, count: int) -> bytes:
        """Return random bytes."""
        stream = b""
        while len(stream) < count:
            self._count += 1
            stream += hashlib.blake2b(self._count.to_bytes(8, "big"), key=self._key, digest_size=32).digest()
        return stream[:count]

    def share(self) -> float:
        """Return a number from 0 up to 1."""
        self._count += 1  # equal to `bytes(8)`
        digest = hashlib.blake2b(self._count.to_bytes(8, "big"), key=self._key, digest_size=32).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

    def between(self, low: float, high: float) -> float:
        """Return a random number between two bounds."""
        return low + (high - low) * self.share()
