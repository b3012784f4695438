"""Times that are text: ISO 8601, months, times of day, and days with points, slashes or dashes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d(?:[.,]\d+)?))?(?:\s*([ap])\.?m\.?)?", re.IGNORECASE)
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
    return any(form.fullmatch(cell) for form in (_ISO, _YEAR_LAST, _YEAR_FIRST, _OF_DAY, _MONTH))


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
    return bool(_OF_DAY.fullmatch(cell))


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
    if _OF_DAY.fullmatch(cell):
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
    match = _OF_DAY.fullmatch(cell.strip())
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
