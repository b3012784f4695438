"""Times that are text: ISO 8601, the time of a day, and days as they are written in much of Europe."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d(?:[.,]\d+)?))?")
_LOCAL = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4}|\d\d)(?:[ T,]+(.*))?")
_ISO_SHORT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d:.*)")
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_DAY = re.compile(r"(?:\d{4}-\d\d-\d\d|\d{1,2}\.\d{1,2}\.(?:\d{4}|\d\d))(?:[ T]00:00:00(?:\.0+)?)?")
DAY_S = 86_400.0


def is_time_text(cell: str) -> bool:
    """Return whether a cell looks like a date or a time of day."""
    return bool(_ISO.match(cell) or _LOCAL.fullmatch(cell) or _OF_DAY.fullmatch(cell))


def is_day(cell: str) -> bool:
    """Return whether a cell is a date without a time of day, or at midnight as spreadsheets write it."""
    return bool(_DAY.fullmatch(cell))


def is_time_of_day(cell: str) -> bool:
    """Return whether a cell is a time without a date."""
    return bool(_OF_DAY.fullmatch(cell))


def seconds_of(cell: str) -> float:
    """Return seconds of the epoch, or of the day for a time without a day.

    Without a zone it counts as UTC, which leaves differences as they are.

    Raises:
        ValueError: the cell is no time.
    """
    cell = cell.strip()
    if cell[4:5] == "-":
        short = _ISO_SHORT.fullmatch(cell)
        return seconds_of(short[1]) + seconds_of(short[2]) if short else _seconds_of_iso(cell)
    if match := _OF_DAY.fullmatch(cell):
        hours, minutes, seconds = int(match[1]), int(match[2]), float((match[3] or "0").replace(",", "."))
        if hours > 23 or minutes > 59 or seconds >= 61:
            raise ValueError(cell)
        return 3600.0 * hours + 60.0 * minutes + seconds
    if match := _LOCAL.fullmatch(cell):
        year = int(match[3]) + (2000 if len(match[3]) == 2 else 0)
        midnight = datetime(year, int(match[2]), int(match[1]), tzinfo=UTC).timestamp()
        return midnight + (seconds_of(match[4]) if match[4] else 0.0)
    return _seconds_of_iso(cell)


def _seconds_of_iso(cell: str) -> float:
    moment = datetime.fromisoformat(cell)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
