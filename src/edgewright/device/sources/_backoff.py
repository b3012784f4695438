"""How often a source that vanished is looked for: soon at first, ever more slowly then, never given up."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST, MOST = 0.2, 30.0


class Backoff:
    """When the next attempt is due.

    Args:
        first: seconds to the second attempt; they double until `most`.
        most: seconds between attempts at last.
        clock: of monotonic seconds.
    """

    def __init__(self, first: float = FIRST, most: float = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, self._most, self._clock = first, most, clock
        self._pause, self._next = first, -float("inf")

    def wait(self) -> float:
        """Seconds until an attempt is due; 0 when it is."""
        return max(0.0, self._next - self._clock())

    def failed(self) -> None:
        """An attempt failed: the next one comes later."""
        self._next = self._clock() + self._pause
        self._pause = min(self._most, 2 * self._pause)

    def worked(self) -> None:
        """The source is there: the next time it vanishes it is looked for soon."""
        self._pause, self._next = self._first, -float("inf")
