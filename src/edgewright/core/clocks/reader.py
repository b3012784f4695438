"""A column of times, read once over a stream of rows: dates, times of day, and counters that begin again."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import SCALE, number_and_unit, numbers_and_unit, unit_of_numbers
from edgewright.core.errors import InputError, TimeFormatError
from edgewright.core.formatting import MISSING_NUMBERS
from edgewright.core.records.data import TimeUnit

_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d(?:[.,]\d+)?))?(?:\s*([ap])\.?m\.?)?", re.IGNORECASE)
# Points stand behind the day; before slashes and dashes it is the day or the month.
_YEAR_LAST = re.compile(
    r"(\d{1,2})(?:\.(\d{1,2})\.(\d{4}|\d\d)|/(\d{1,2})/(\d{4}|\d\d)|-(\d{1,2})-(\d{4}))(?:[ T,]+(.*))?"
)
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[ T,]+(\d.*))?")
# A month without its day is its first day.
_MONTH = re.compile(r"(?:(\d{4})[-/](0?[1-9]|1[0-2])|(0?[1-9]|1[0-2])[-/](\d{4}))")
_ISO = re.compile(r"\d{4}-\d\d-\d\d.*")
_MIDNIGHT = re.compile(r"0?0:00(?::00(?:\.0+)?)?|12:00(?::00)?\s*am", re.IGNORECASE)
ORDERS = {"dmy": "the day first", "mdy": "the month first"}
"""Orders of day and month in dates with slashes, which are units of a time."""
DAY_S = 86_400.0


def is_time_text(cell: str) -> bool:
    """Return whether a cell looks like a date or a time of day."""
    return any(form.fullmatch(cell) for form in (_ISO, _YEAR_LAST, _YEAR_FIRST, _TIME_OF_DAY, _MONTH))


def is_day(cell: str) -> bool:
    """Return whether a cell is a date without a time of day, or at midnight as spreadsheets write it."""
    if match := _YEAR_LAST.fullmatch(cell):
        rest = match[8]
    elif match := _YEAR_FIRST.fullmatch(cell):
        rest = match[5]
    else:
        return False
    return not rest or bool(_MIDNIGHT.fullmatch(rest))


def is_time_of_day(cell: str) -> bool:
    """Return whether a cell is a time without a date."""
    return bool(_TIME_OF_DAY.fullmatch(cell))


def needs_order(cell: str) -> bool:
    """Return whether a cell is a date that begins with its day or its month."""
    match = _YEAR_LAST.fullmatch(cell.strip())
    return bool(match and not match[2])


def day_order(cells: Iterable[str]) -> str:
    """Return the order of day and month that numbers above 12 show; empty where none does, or both orders do."""
    orders = set()
    for cell in cells:
        match = _YEAR_LAST.fullmatch(cell.strip())
        if match and not match[2]:
            orders |= {"dmy"} if int(match[1]) > 12 else {"mdy"} if int(match[4] or match[6]) > 12 else set()
    return orders.pop() if len(orders) == 1 else ""


def seconds_of(cell: str, order: str = "") -> float:
    """Return seconds of the epoch, or of the day for a time without a day.

    Without a zone it counts as UTC, which leaves differences as they are.

    Args:
        cell: the text.
        order: of day and month in dates with slashes or dashes: 'dmy' or 'mdy'; empty refuses them.

    Raises:
        ValueError: the cell is no time.
    """
    cell = cell.strip()
    if cell[4:5] == "-":
        with suppress(ValueError):
            return _seconds_of_iso(cell)
    if _TIME_OF_DAY.fullmatch(cell):
        return _seconds_of_day(cell)
    if match := _MONTH.fullmatch(cell):
        return _midnight(match[1] or match[4], match[2] or match[3], "1")
    if match := _YEAR_FIRST.fullmatch(cell):
        return _midnight(match[1], match[3], match[4]) + _seconds_of_day(match[5])
    if match := _YEAR_LAST.fullmatch(cell):
        day, month, year = match[1], match[2] or match[4] or match[6], match[3] or match[5] or match[7]
        if not match[2]:
            if order not in ORDERS:
                raise ValueError(cell)
            day, month = (day, month) if order == "dmy" else (month, day)
        return _midnight(year, month, day) + _seconds_of_day(match[8])
    return _seconds_of_iso(cell)


def _seconds_of_day(cell: str | None) -> float:
    """Return the seconds of a time of day; 0 where there is none."""
    if not cell:
        return 0.0
    match = _TIME_OF_DAY.fullmatch(cell.strip())
    if match is None:
        raise ValueError(cell)
    hours, minutes, seconds = int(match[1]), int(match[2]), float((match[3] or "0").replace(",", "."))
    if half := match[4]:
        if not 1 <= hours <= 12:
            raise ValueError(cell)
        hours = hours % 12 + (12 if half in "pP" else 0)
    if hours > 23 or minutes > 59 or seconds >= 61:
        raise ValueError(cell)
    return 3600.0 * hours + 60.0 * minutes + seconds


def _midnight(year: str, month: str, day: str) -> float:
    whole = int(year) + (2000 if len(year) == 2 else 0)
    return datetime(whole, int(month), int(day), tzinfo=UTC).timestamp()


def _seconds_of_iso(cell: str) -> float:
    moment = datetime.fromisoformat(cell)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_MARK = " + "


def joined_name(day: str, time: str) -> str:
    """Return the name of the column that two columns are together."""
    return f"{day}{_MARK}{time}"


def parts_of(name: str, columns: Collection[str]) -> tuple[str, ...]:
    """Return the two columns that a name stands for; none for a name that a column has, or that no two have."""
    day, mark, time = name.partition(_MARK)
    return (day, time) if mark and name not in columns and day in columns and time in columns else ()


def joined(days: Iterable[str], times: Iterable[str]) -> NDArray[np.str_]:
    """Return day and time of each row in one text; empty where one of them is."""
    pairs = ((day.strip(), time.strip()) for day, time in zip(days, times, strict=True))
    # A spreadsheet writes a day with its midnight.
    cells = [f"{day.replace('T', ' ').split(' ')[0]} {time}" if day and time else "" for day, time in pairs]
    return np.array(cells, np.str_)


def text_of(name: str, columns: Collection[str], cells: Callable[[str], NDArray[np.str_]]) -> NDArray[np.str_]:
    """Return the cells of a column, or of the two that it stands for."""
    parts = parts_of(name, columns)
    return joined(*(cells(part).tolist() for part in parts)) if parts else cells(name)


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
    return TimeFormatError(
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
    return TimeFormatError(f"{expected}, as in training", repr(cell), f"{where}column {column}", do)


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
            raise TimeFormatError(expected, repr(cell), f"{position(bad)}, column {column}", do)
        raise unclear_order(column, cell, position(bad))
    expected = (
        "a time such as 2024-05-01T12:00:00, 12:00:00.5 or a number of seconds" if cell else "a time in every row"
    )
    raise TimeFormatError(expected, repr(cell), f"{position(bad)}, column {column}", _NO_TIME)


def _second(cell: str, order: str) -> float:
    try:
        return seconds_of(cell, order)
    except ValueError:
        return float("nan")
