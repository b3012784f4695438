"""When to try again: with chance in it, slower after each failure, so that many devices do not come at once."""

from __future__ import annotations

from edgewright.fleet.protocol.ports import Chance, Clock

LEAST = 60.0
"""Seconds by which the time of day must have moved against the clock that never falls; less is trimming."""


class ClockJump:
    """Watches a device's two clocks. A machine that slept sets nothing: both of them went on meanwhile.

    A device whose clock is far ahead refuses all news as expired, and looks ever more seldom, up to once an hour; over
    TLS the same goes for one that is behind. Once the time service has set the clock that wait has no reason any more.

    Args:
        clock: of the device.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference = self._now()

    def __call__(self) -> bool:
        """Return whether the clock was set since it was asked last."""
        before, self._difference = self._difference, self._now()
        return abs(self._difference - before) > LEAST

    def _now(self) -> float:
        return self._clock.wall() - self._clock.monotonic()


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
        """Schedule the first attempt at random within one interval."""
        self.due = now + self._every * self._chance.share()

    def at_once(self, now: float, within: float = 0.0) -> None:
        """Schedule the next attempt at random within so many seconds."""
        self.due = min(self.due, now + within * self._chance.share())

    def good(self, now: float, wait: float | None = None) -> None:
        """Schedule the next attempt after 90 to 110 % of the interval, or of the requested time."""
        self.failures, self._pause = 0, 0.0
        self.due = now + (self._every if wait is None else wait) * (0.9 + 0.2 * self._chance.share())

    def bad(self, now: float, wait: float | None = None) -> None:
        """Double the pause after a failure; the next attempt falls in its second half, never before `wait`."""
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
        minimum = wait or self._first / 2.0
        maximum = max(2.0 * minimum, min(BACK, 3.0 * (self._pause or wait or self._first)))
        self._pause = minimum + (maximum - minimum) * self._chance.share()
        self._asked, self.due = now + (wait or 0.0), now + self._pause

    def heard(self, now: float) -> None:
        """Retry now because the other side responded, but not before it allowed."""
        if self.failures:
            self.due = min(self.due, max(now, self._asked))
