"""A column of times, read once over a stream of rows: dates, times of day, and counters that begin again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.texts import DAY_S, ORDERS, day_order, is_time_of_day, needs_order, seconds_of
from edgewright.core.clocks.units import SCALE, number_and_unit, numbers_and_unit, unit_of_numbers
from edgewright.core.units import MISSING_NUMBERS
from edgewright.schema.data import TimeUnit
from edgewright.schema.errors import InputError

Times = NDArray[np.float64]
# Where counters of 16 and 32 bits begin again; the latter after lost rows, too, as those of microcontrollers do.
_WRAPS = (2**16, 2**32)
_NO_TIME = "Write the time, or remove the row; name a column that is no clock in ignore"
_OF_DAY = "day"
_NO_CELLS = MISSING_NUMBERS | {"nat"}
# Steps that say what is usual.
_STEPS = 1000


class ClockReader:
    """Times of rows, block by block; one that is split into blocks reads as one that is not.

    The first block with a time shows whether times are numbers or texts, and the unit of numbers.

    Args:
        column: its name; an ending such as `_ms` or `[min]` gives the unit under 'auto'.
        unit: of numbers; 'auto' goes by what stands behind them, by the name, by the magnitude of an epoch, then
            takes seconds. Or 'dmy' or 'mdy', the order of day and month in dates with slashes; 'auto' goes by the
            first block with a number above 12 in one of them.

    Attributes:
        scale: seconds that one unit of the ticks is; 1 for texts, and until a time was read.
        day_order: 'dmy' or 'mdy' once a date needed it; empty before.
    """

    def __init__(self, column: str, unit: TimeUnit | str = "auto") -> None:
        self._column, self._unit = column, "auto" if unit in ORDERS else unit
        self._order = unit if unit in ORDERS else ""
        self._is_text: bool | None = None
        self._behind: str | None = None
        self._of_day = False
        self._last, self._base, self._largest = float("nan"), 0.0, 0.0
        self._steps: Times = np.empty(0)
        self.scale, self.day_order = 1.0, ""

    def state(self) -> list[Any]:
        """Return what a counter or a time of day goes on from, as JSON; empty for what never begins again."""
        if not np.isfinite(self._last):
            return []
        usual = float(np.median(self._steps)) if len(self._steps) else 0.0
        return [self._last, self._base, usual, self._largest, _OF_DAY if self._of_day else self._unit]

    def go_on(self, state: Sequence[Any]) -> None:
        """Go on from a state; one of an older version knows neither steps nor unit."""
        if not state:
            return
        whole = [*state, *[0.0, state[0], self._unit][len(state) - 2 :]]
        self._last, self._base, usual, self._largest, unit = whole
        self._steps = np.array([usual] if usual else [])
        self._is_text = self._of_day = unit == _OF_DAY
        if unit in SCALE:
            self._unit, self.scale = unit, SCALE[unit]

    def seconds(self, cells: Sequence[str]) -> Times:
        """Return seconds of the epoch, the day or the counter; NaN where a cell is no time."""
        return self.ticks(cells) * self.scale

    def ticks(self, cells: Sequence[str]) -> Times:
        """Return times in the column's own unit, seconds for texts; NaN where a cell is no time."""
        lines = [cell.strip() for cell in cells]
        if self._is_text is None:
            self._begin(lines)
        if self._is_text:
            if self._order and not self.day_order and any(map(needs_order, lines)):
                self.day_order = self._order
            return self._over_midnight(np.array([_second(cell, self._order) for cell in lines], np.float64))
        counted = numbers_and_unit(lines)
        if counted is None or (self._behind is not None and counted[1] != self._behind):
            # A cell with another unit than the first one is no time.
            each = [number_and_unit(cell) for cell in lines]
            first = next((unit for number, unit in each if np.isfinite(number)), "")
            behind = first if self._behind is None else self._behind
            counted = np.array([number if unit == behind else np.nan for number, unit in each]), behind
        if np.isfinite(counted[0]).any():
            self._behind = counted[1]
        return self.of_numbers(*counted)

    def _begin(self, lines: Sequence[str]) -> None:
        """Take the order of dates, and the kind of the first cell that is a time."""
        self._order = self._order or day_order(lines)
        for cell in lines:
            if np.isfinite(number_and_unit(cell)[0]):
                self._is_text = False
                return
            if np.isfinite(_second(cell, self._order)):
                self._is_text, self._of_day = True, is_time_of_day(cell)
                return

    def of_numbers(self, numbers: Times, behind: str = "") -> Times:
        """Return the numbers of a counter that goes on where it begins again; `behind` is a unit behind them."""
        if np.isfinite(numbers).any():
            if behind or self._unit == "auto":
                self._unit = behind or unit_of_numbers(numbers, self._column)
            self.scale = SCALE[self._unit]
            self._is_text = False
        known = np.flatnonzero(np.isfinite(numbers))
        if not len(known):
            return numbers
        ticks = np.asarray(numbers, np.float64).copy()
        values = ticks[known]
        steps = np.diff(values, prepend=self._last)
        self._largest = max(self._largest, float(values.max()))
        if len(self._steps) < _STEPS:
            self._steps = np.concatenate([self._steps, steps[steps > 0]])[:_STEPS]
        bases = self._base + np.cumsum(self._wraps(values, steps))
        self._last, self._base = float(values[-1]), float(bases[-1])
        ticks[known] = values + bases
        return ticks

    def _wraps(self, values: Times, steps: Times) -> Times:
        """Return what is added from each row on, because a counter began again there: its size, else 0."""
        added = np.zeros(len(values))
        back = steps < 0
        usual = float(np.median(self._steps)) if len(self._steps) else 0.0
        if not back.any() or values.min() < 0 or not (values == np.round(values)).all():
            return added
        for size in _WRAPS:
            if self._largest < size:
                goes_on = steps % size <= 3 * usual if usual else np.zeros(len(steps), np.bool_)
                goes_on |= (size == _WRAPS[-1]) & (steps < -size / 2)
                added[back & goes_on & (added == 0)] = size
        return added

    def _over_midnight(self, seconds: Times) -> Times:
        """Return times of day that go on after midnight; dates as they are."""
        known = np.flatnonzero(np.isfinite(seconds))
        if not self._of_day or not len(known):
            return seconds
        steps = np.diff(seconds[known], prepend=self._last)
        bases = self._base + DAY_S * np.cumsum(steps < -DAY_S / 2)
        self._last, self._base = float(seconds[known[-1]]), float(bases[-1])
        seconds[known] += bases
        return seconds


def unclear_order(column: str, cell: str, where: str) -> InputError:
    """Return the error for dates of which nothing says whether the day or the month comes first."""
    return InputError(
        "dates whose order of day and month is clear", f"{cell!r}", f"{where}, column {column}",
        "Numbers above 12 do not tell it: say --time-unit dmy (the day first) or mdy (time_unit in [data])",
    )  # fmt: skip


def unreadable(cells: Sequence[str], column: str, order: str, where: str) -> InputError | None:
    """Return the error for cells of which none is a time, while a package was trained with times.

    Args:
        cells: that are no times.
        column: they stand in.
        order: of day and month in training; empty where its dates had none.
        where: the first of them stands.

    Returns:
        None for cells that are all empty.
    """
    cell = next((cell for cell in cells if cell.strip().lower() not in _NO_CELLS), None)
    if cell is None:
        return None
    expected = "times such as 2024-05-01T12:00:00, 12:00:00.5 or numbers of seconds"
    if needs_order(cell):
        expected = f"dates with {ORDERS[order]}" if order in ORDERS else "dates whose order of day and month is clear"
    do = "Write the times as in 2024-05-01T12:00:00. Without this column neither gaps nor the rate are checked"
    return InputError(f"{expected}, as in training", repr(cell), f"{where}column {column}", do)


def refuse_missing(
    times: NDArray[np.float64], cells: Sequence[str] | NDArray[np.str_], column: str, position: Callable[[int], str]
) -> None:
    """Refuse a cell that is no time.

    Raises:
        InputError: naming the first one.
    """
    if np.isfinite(times).all():
        return
    bad = int(np.flatnonzero(~np.isfinite(times))[0])
    cell = str(cells[bad])
    if needs_order(cell) and not np.isfinite(times).any():
        if order := day_order([cell]):
            do = f"Here it is {order}, {ORDERS[order]}: say so (time_unit in [data], score --set time_unit={order})"
            expected = "dates in one order of day and month, that of time_unit"
            raise InputError(expected, repr(cell), f"{position(bad)}, column {column}", do)
        raise unclear_order(column, cell, position(bad))
    expected = (
        "a time such as 2024-05-01T12:00:00, 12:00:00.5 or a number of seconds" if cell else "a time in every row"
    )
    raise InputError(expected, repr(cell), f"{position(bad)}, column {column}", _NO_TIME)


def _second(cell: str, order: str) -> float:
    try:
        return seconds_of(cell, order)
    except ValueError:
        return float("nan")
