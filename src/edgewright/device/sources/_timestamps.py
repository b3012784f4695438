"""Times of rows: what a column of times means, and when rows without one came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.reader import ClockReader
from edgewright.core.csv.cell_words import MISSING_TEXTS

Seconds = NDArray[np.float64]

EPOCH = 1e8
"""Seconds beyond this (1973) are a date; a device's clock since its start is not."""
# How fast rows without a clock of their own follow their arrival, and from which distance on they jump to it.
_GAIN, _JUMP = 0.02, 0.5
_SHOWN = 40


class TimeColumn:
    """Turns a column of times into seconds; counters that begin again and times of day after midnight go on.

    Args:
        name: of the column; an ending such as `_ms` or `[us]` gives the unit, else the size of the numbers does.
        unit: of numbers, as a package states it; empty goes by the name.
    """

    def __init__(self, name: str, unit: str = "") -> None:
        self._name, self._odd = name, False
        self._reader = ClockReader(name, unit or "auto")

    def state(self) -> list[Any]:
        """Return what a counter goes on from; empty for what is no counter."""
        return self._reader.state()

    def go_on(self, state: Sequence[Any]) -> None:
        """Go on from a state."""
        self._reader.go_on(state)

    def seconds(self, numbers: Seconds) -> Seconds:
        """Return seconds, NaN where the time is missing."""
        return self._reader.of_numbers(numbers) * self._reader.scale

    def of_texts(self, text: Sequence[str]) -> tuple[Seconds, str]:
        """Return seconds, NaN where a cell is no time; and what is to be told of such cells where they begin."""
        times = self._reader.seconds(text)
        odd = [text[place] for place in np.flatnonzero(np.isnan(times)).tolist()]
        odd = [cell.strip() for cell in odd if cell.strip().lower() not in MISSING_TEXTS]
        begins, self._odd = bool(odd) and not self._odd, bool(odd)
        if not begins:
            return times, ""
        return times, (
            f"column {self._name}: expected a date such as 2026-11-20T13:00:00, got {odd[0][:_SHOWN]!r}; a row without "
            "a time is taken as the next one, or at its arrival"
        )


class ArrivalClock:
    """Times for rows that carry none: when they came, evenly spaced where a rate is known.

    With a rate a row comes one period after the one before, and the whole follows the arrival slowly (a fiftieth of
    the difference a packet), so that what the system delays or bundles does not shake the times. Half a second off,
    they jump to the arrival: rows were lost, or the source was away. Rows of a backlog follow each other however fast
    they are read, and the arrival of those behind them is seen from their end.

    Args:
        rate: rows a second; None where nobody knows.
    """

    def __init__(self, rate: float | None) -> None:
        self._period = 1.0 / rate if rate else 0.0
        self._last: float | None = None
        self._ahead = 0.0

    @property
    def last(self) -> float | None:
        """Time of the last row."""
        return self._last

    def go_on(self, last: float, away: float, now: float) -> None:
        """Go on from the last row before a restart.

        Args:
            last: its time.
            away: seconds since then.
            now: of the monotonic clock, seconds.
        """
        self._last, self._ahead = last, last + away - now

    def stamp(self, rows: int, now: float, *, backlog: bool = False) -> Seconds:
        """Return times of so many rows that arrived together.

        Args:
            rows: at least 1.
            now: of the monotonic clock, seconds.
            backlog: whether they were there before anybody listened.
        """
        now += self._ahead
        count = np.arange(1, rows + 1, dtype=np.float64)
        if backlog and self._period:
            times: Seconds = (now if self._last is None else self._last) + self._period * count
            self._ahead += float(times[-1]) - now
        elif not self._period:
            # Without a rate they are spread over the time since the packet before; the first ones lie close together.
            since = now - 1e-3 * rows if self._last is None else min(self._last, now)
            times = since + (now - since) * count / rows
        elif self._last is None:
            times = now + self._period * (count - rows)
        else:
            times = self._last + self._period * count
            late = now - times[-1]
            times = times + (late if abs(late) > max(_JUMP, 5 * self._period) else _GAIN * late)
            if times[0] <= self._last:  # a jump back still goes forwards, only closer together
                times = self._last + (max(now, self._last + 1e-6) - self._last) * count / rows
        self._last = float(times[-1])
        return times
