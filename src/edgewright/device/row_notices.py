"""Notices about rows: what happens once is told at once, what happens again and again is counted."""

from __future__ import annotations

import math

from edgewright.core.formatting import duration_text
from edgewright.monitor.sensor_health import Health


class RowNotices:
    """What a timeline has to tell.

    Args:
        every: seconds between two notices of the same kind that are counted.

    Attributes:
        found: notices that nobody has taken yet, in order.
    """

    KEPT = ("_told", "_left")
    ADDED = ("_left",)

    def __init__(self, every: float) -> None:
        self.found: list[Health] = []
        self._every = every
        self._told: dict[str, float] = {}
        self._left: dict[str, tuple[int, float]] = {}

    def tell(self, time: float, what: str, text: str, amount: float = 0.0) -> None:
        """Something that is told at once, at `time` seconds of the stream."""
        self.found.append(Health(time=time, what=what, text=text, amount=amount))

    def count(self, what: str, time: float, due: float, *, times: int = 1, amount: float = 0.0) -> None:
        """Something that is told at once where it is the first of its kind for a while, and counted else.

        Args:
            what: 'gap', 'clock', or rows left out or made up: 'duplicate', 'late', 'surplus', 'stray', 'filled'.
            time: seconds of the stream at the last row.
            due: seconds of the stream now.
            times: how many.
            amount: seconds that the gaps lasted, or that the clock jumped by.
        """
        before, sum_before = self._left.get(what, (0, 0.0))
        self._left[what] = before + times, sum_before + amount
        if due - self._told.get(what, -math.inf) >= self._every:
            self._report(what, time, due)

    def flush(self, time: float, due: float) -> None:
        """Tell of all that was counted."""
        for what in list(self._left):
            self._report(what, time, due)

    def given(self) -> list[Health]:
        """Return what was found since the last call."""
        found, self.found = self.found, []
        return found

    def _report(self, what: str, time: float, due: float) -> None:
        times, amount = self._left.pop(what)
        self._told[what] = due
        if what == "gap":
            text = f"gap of {duration_text(amount)}" if times == 1 else f"{times} gaps, {duration_text(amount)} in all"
        elif what == "clock":
            by = f"{'+' if amount > 0 else ''}{duration_text(amount)}"
            text = f"clock jumped by {by}" if times == 1 else f"clock jumped {times} times, by {by} in all"
        else:
            text, amount = f"{what}: {times} row{'s' if times > 1 else ''}", float(times)
        self.tell(time, what, text, amount)
