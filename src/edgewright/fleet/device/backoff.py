"""When to try again: with chance in it, slower after each failure, so that many devices do not come at once."""

from __future__ import annotations

from edgewright.fleet.protocol.ports import Chance

BACK = 120.0
"""Seconds at most between two tries while nobody answers: all devices are back so soon after an outage. Where they poll
every minute, their tries are fewer than the polls that a server bears anyway."""
_DOUBLINGS = 16
_LONGEST_ASKED = 3600.0


class Pace:
    """One kind of request.

    Args:
        chance: spreads the times.
        every: seconds between two that go well.
        slowest: longest time after failures.
        first: seconds from which the time after a failure doubles; None for `every`.
    """

    def __init__(self, chance: Chance, every: float, slowest: float, first: float | None = None) -> None:
        self._chance, self._every, self._slowest = chance, every, max(every, slowest)
        self._first = every if first is None else min(first, every)
        self.failures = 0
        self.due = 0.0
        self._asked = 0.0
        self._pause = 0.0

    def spread(self, now: float) -> None:
        """The first one somewhere in the time between two."""
        self.due = now + self._every * self._chance.share()

    def at_once(self, now: float, within: float = 0.0) -> None:
        """The next one soon: within so many seconds, somewhere."""
        self.due = min(self.due, now + within * self._chance.share())

    def good(self, now: float, wait: float | None = None) -> None:
        """It went well; the next one in 90 to 110 % of the time between two, or of the time that was asked for."""
        self.failures, self._pause = 0, 0.0
        self.due = now + (self._every if wait is None else wait) * (0.9 + 0.2 * self._chance.share())

    def bad(self, now: float, wait: float | None = None) -> None:
        """It failed; twice the time after each failure, somewhere in its second half, never before `wait`."""
        self.failures += 1
        longest = min(self._slowest, self._first * 2.0 ** min(self.failures, _DOUBLINGS))
        self.due = now + max(longest * (0.5 + 0.5 * self._chance.share()), wait or 0.0)

    def away(self, now: float, wait: float | None = None) -> None:
        """Nobody answered, or the other side asked to come again in `wait` seconds, which counts up to an hour.

        The pause is drawn evenly between half the first one (or `wait`) and three times the last, up to `BACK`:
        decorrelated jitter (M. Brooker, Exponential Backoff and Jitter, 2015). Devices that failed in one moment come
        back apart, and one that is refused again and again, as in an overload, comes more seldom.
        """
        self.failures += 1
        wait = min(wait, _LONGEST_ASKED) if wait else None
        least = wait or self._first / 2.0
        most = max(2.0 * least, min(BACK, 3.0 * (self._pause or wait or self._first)))
        self._pause = least + (most - least) * self._chance.share()
        self._asked, self.due = now + (wait or 0.0), now + self._pause

    def heard(self, now: float) -> None:
        """A sign of life of the other side: what failed is tried now, but not before the other side asked for it."""
        if self.failures:
            self.due = min(self.due, max(now, self._asked))
