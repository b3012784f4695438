"""Limits: how often a name may ask, and how many devices are heard at once; both are bounded in memory."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgewright.schema.errors import EdgewrightError

_DAY = 86_400.0
_LOOKED_AT = 2
"""Buckets at each call: more than the one that it may add."""


class Buckets:
    """A bucket of tokens for every name.

    To forget a bucket refills it. With every call the two that were looked at the longest ago are looked at again, and
    one that is full by now is forgotten: so those that are kept follow the names that have asked for more than comes
    back, however many names there are. Only beyond `names` one goes that is not full.

    Args:
        rate: tokens a second.
        burst: that a bucket holds.
        names: most buckets kept; each takes some 280 bytes, its name of 32 characters included.
    """

    def __init__(self, rate: float, burst: float, names: int = 1_000_000) -> None:
        self._rate, self._burst, self._names = rate, burst, names
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, now: float, amount: float = 1.0) -> float:
        """Take tokens, all or none.

        Args:
            name: whose bucket.
            now: seconds of a clock that never falls.
            amount: tokens.

        Returns:
            0 where they were there; else the seconds until they will be.
        """
        with self._lock:
            left, since = self._held.pop(name, (self._burst, now))
            left = min(self._burst, left + max(0.0, now - since) * self._rate)
            wait = 0.0 if left >= amount else (amount - left) / self._rate
            self._held[name] = (left - amount if not wait else left, now)
            self._sweep(now)
            if len(self._held) > self._names:
                self._held.popitem(last=False)
        return wait

    def __len__(self) -> int:
        """Buckets that are kept now."""
        return len(self._held)

    def _sweep(self, now: float) -> None:
        for _ in range(_LOOKED_AT):
            name, (left, since) = next(iter(self._held.items()))
            if left + (now - since) * self._rate < self._burst:
                self._held.move_to_end(name)
                continue
            del self._held[name]
            if not self._held:
                return


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


class ConcurrencyLimit:
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

    def __init__(self, maximum: int, room: int, apart: float, clock: Callable[[], float]) -> None:
        self._most, self._room, self._apart, self._clock = maximum, room, apart, clock
        self.here = self.bytes = 0
        self._sent_away, self._since = 0.0, clock()

    @contextmanager
    def one(self, length: int) -> Iterator[None]:
        """Provide a request with a body of so many bytes, from its head to its answer.

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
