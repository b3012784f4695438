"""How many devices are heard at once: bounded in number and in bytes; who is beyond that hears when to come again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgewright.schema.errors import EdgewrightError

_LATELY = 10.0
"""Seconds over which those who were sent away are counted."""
_BEAR = 20.0
_SOONEST, _LATEST = 2.0, 60.0


class CrowdedError(EdgewrightError):
    """More devices speak than are heard at once; nothing was done.

    Args:
        wait: seconds after which to come again.
    """

    def __init__(self, wait: float) -> None:
        super().__init__("fewer devices at once", "more", do="Ask again later")
        self.wait = wait


class Crowd:
    """Counts the requests of devices that are being answered.

    Those beyond the bounds are sent away for the longer, the more were sent away lately: a second for every two in a
    second. Of 10,000 that all come again and again, some hundred a second do so then. While anybody is sent away, a
    device that brings a backlog is asked to wait as long before its next part, so that everybody's first part, which
    holds the alarms, comes before anybody's rest.

    Args:
        most: requests at once.
        room: bytes of their bodies together; one alone may have more.
        apart: seconds between two parts of a backlog while there is room.
        clock: monotonic seconds.
    """

    def __init__(self, most: int, room: int, apart: float, clock: Callable[[], float]) -> None:
        self._most, self._room, self._apart, self._clock = most, room, apart, clock
        self.here = self.bytes = 0
        self._sent_away, self._since = 0.0, clock()

    @contextmanager
    def one(self, length: int) -> Iterator[None]:
        """A request with a body of so many bytes, from its head to its answer.

        Raises:
            CrowdedError: there is no room.
        """
        if self.here >= self._most or (self.here and self.bytes + length > self._room):
            self._fade()
            self._sent_away += 1.0
            raise CrowdedError(max(_SOONEST, self._later()))
        self.here += 1
        self.bytes += length
        try:
            yield
        finally:
            self.here -= 1
            self.bytes -= length

    @property
    def more(self) -> float:
        """Seconds after which the next part of a backlog is welcome."""
        return max(self._apart, self.late)

    @property
    def late(self) -> float:
        """Seconds by which everybody is asked to come later than usual; 0 where nobody was sent away lately."""
        self._fade()
        return round(self._later(), 1)

    def _later(self) -> float:
        return min(_LATEST, self._sent_away / _BEAR)

    def _fade(self) -> None:
        now = self._clock()
        self._sent_away *= math.exp(-(now - self._since) / _LATELY)
        self._since = now
