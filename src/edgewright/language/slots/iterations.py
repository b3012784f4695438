"""What CRFsuite writes while it learns, as lines for people: how far it is, and how long it takes yet."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

_BEGUN = re.compile(r"\*{5} Iteration #(\d+) \*{5}")
_LOSS = re.compile(r"Loss: ([\d.]+)")
# Between two lines; a training that is over before has none.
_SILENT_S = 10.0
# Iteration from which on the time left is said.
_STEADY = 10


class Iterations:
    """Hears CRFsuite's messages and tells of some iterations.

    Args:
        most: iterations at most; L-BFGS may end before.
        say: told.
        clock: seconds.
    """

    def __init__(self, most: int, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._say, self._clock = most, say, clock
        self._number, self._begun, self._told = 0, clock(), clock()

    def hear(self, message: str) -> None:
        """Takes one message."""
        if found := _BEGUN.search(message):
            self._number = int(found[1])
        elif self._number and (found := _LOSS.search(message)):
            self._ended(float(found[1]))

    def _ended(self, loss: float) -> None:
        """Tells of the first iteration of a long training, and of one every so many seconds."""
        now, number = self._clock(), self._number
        left = (now - self._begun) / number * (self._most - number)
        if now - self._told < _SILENT_S and (number > 1 or left < _SILENT_S):
            return
        self._told = now
        # The first iterations take longer than the others.
        soon = f", at most {left:.0f} s left" if number >= _STEADY or number == self._most else ""
        self._say(f"  slots: iteration {number} of {self._most}, loss {loss:,.0f}{soon}")
