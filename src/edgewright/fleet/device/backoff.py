"""Randomised retry times with backoff, so that many devices do not send requests at the same moment."""

from __future__ import annotations

from edgewright.fleet.protocol.ports import Chance, Clock

MIN_PAUSE_S = 60.0
"""Seconds by which the wall clock must differ from the monotonic clock; smaller differences are normal adjustments."""


class ClockJump:
    """Detects that a device's wall clock was set. Suspending the machine does not count: both clocks continue.

    A device whose clock is far ahead refuses all news as expired and polls less and less often, down to once an hour;
    over TLS the same happens if the clock is behind. After the time service sets the clock, the device need not wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference = self._now()

    def __call__(self) -> bool:
        """Return whether the clock was set since the last call."""
        before, self._difference = self._difference, self._now()
        return abs(self._difference - before) > MIN_PAUSE_S

    def _now(self) -> float:
        return self._clock.wall() - self._clock.monotonic()


BACK = 60.0
"""Longest pause in seconds between attempts without an answer; all devices are back this soon after an outage. These
attempts come about one and a half times as often as polls and reports each minute, and carry less."""
_DOUBLINGS = 16
_LONGEST_ASKED = 3600.0


class Pace:
    """The schedule of one kind of request.

    Args:
        chance: random numbers that spread the times.
        every: seconds between two successful requests.
        slowest: longest pause after failures, in seconds.
        first: first pause after a failure in seconds, which then doubles; None for `every`.
    """

    def __init__(self, chance: Chance, every: float, slowest: float, first: float | None = None) -> None:
        self._chance, self._every, self._slowest = chance, every, max(every, slowest)
        self._first = every if first is None else min(first, every)
        self.failures = 0
        self.due = 0.0
        self._requested = 0.0
        self._pause = 0.0

    def spread(self, now: float) -> None:
        """Schedule the first attempt at random within one interval."""
        self.due = now + self._every * self._chance.share()

    def at_once(self, now: float, within: float = 0.0) -> None:
        """Schedule the next attempt at random within `within` seconds."""
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
        """Schedule a retry after no answer, or after a request to retry in `wait` seconds (at most an hour).

        After `wait`, the pause is uniform between once and twice that time: the server knows how many others it asked.
        Otherwise it is uniform between half the first one and three times the last one, up to `BACK`: decorrelated
        jitter (M. Brooker, Exponential Backoff and Jitter, 2015). Devices that failed at the same moment retry at
        different times.
        """
        self.failures += 1
        wait = min(wait, _LONGEST_ASKED) if wait else None
        minimum = wait or self._first / 2.0
        maximum = max(2.0 * minimum, 0.0 if wait else min(BACK, 3.0 * (self._pause or self._first)))
        self._pause = minimum + (maximum - minimum) * self._chance.share()
        self._requested, self.due = now + (wait or 0.0), now + self._pause

    def answered(self, now: float) -> None:
        """Retry now because the server responded, but not before the time that it requested."""
        if self.failures:
            self.due = min(self.due, max(now, self._requested))
