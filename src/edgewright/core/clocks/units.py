"""The unit of a column of numbers that says when a row was measured: by its name, its cells and its values."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SCALE = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "d": 86_400.0, "y": 31_556_952.0}
WORDS = {
    "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "min": "minutes", "h": "hours",
    "d": "days", "y": "years",
}  # fmt: skip
# An epoch of today is 1.7e9 s, 1.7e12 ms, 1.7e15 us or 1.7e18 ns: the magnitude tells the unit.
MAGNITUDES = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e9, "s"))
_SPELLINGS = {
    "s": "s sec secs second seconds sekunden", "ms": "ms msec millis milliseconds",
    "us": "us µs μs usec micros microseconds", "ns": "ns nanos nanoseconds",
    "min": "min mins minute minutes minuten", "h": "h hr hrs hour hours std stunden", "d": "d days",
}  # fmt: skip
_UNITS = {word: unit for unit, words in _SPELLINGS.items() for word in words.split()}
_NAMED = re.compile(rf"(?:^|_|\[|\(|\s)({'|'.join(_UNITS)})[\])]?$", re.IGNORECASE)
# Names of nothing but these are readings more often than clocks.
_NO_NAMES = ("min", "h", "d")
_BEHIND = re.compile(rf"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)\s*({'|'.join(_UNITS)})", re.IGNORECASE)
# Days since 1899-12-30, as spreadsheets count them, of the years 1990 to 2060.
_SPREADSHEET = (32_874.0, 58_439.0)
_DATES = ("date", "datum", "datetime")
# Names of a column of years. Years of our time under another name rise by parts of a year, or are called a date.
_YEARS = ("year", "jahr", "ano", "año", "annee", "année", "anno")
_OUR_TIME, _YEAR_PARTS = (1500.0, 2100.0), (1, 2, 4, 12, 52, 365)
# Share of a step by which even steps differ.
_EVEN = 0.05
# Seconds by which a step of days may be no whole number of seconds, as nine digits write it.
_WHOLE_S = 0.02


def unit_spelled(text: str) -> str:
    """Return the unit of time that a text such as 'ms', 'µs' or 'minutes' spells; empty for any other text."""
    return _UNITS.get(text.strip().lower(), "")


def unit_in_name(name: str) -> str:
    """Return the unit that ends a name, such as `t_ms`, `time [min]` or `millis`; empty where there is none."""
    match = _NAMED.search(name.strip())
    unit = unit_spelled(match[1]) if match else ""
    return "" if match and not match.start() and unit in _NO_NAMES else unit


def numbers_and_unit(cells: Sequence[str]) -> tuple[NDArray[np.float64], str] | None:
    """Return cells as numbers, NaN where empty, and the unit behind each of them, '' for none.

    Returns:
        None for cells that are no numbers, or of several units.
    """
    lines = [cell.strip() for cell in cells]
    try:
        return np.array([cell or "nan" for cell in lines]).astype(np.float64), ""
    except ValueError:
        each = [number_and_unit(cell) for cell in lines if cell]
    units = {unit for _, unit in each}
    if len(units) != 1 or any(number != number for number, _ in each):
        return None
    numbers = iter(each)
    return np.array([next(numbers)[0] if cell else np.nan for cell in lines]), units.pop()


def number_and_unit(cell: str) -> tuple[float, str]:
    """Return the number in a cell and the unit behind it, '' for none; NaN where it is no number."""
    try:
        return float(cell), ""
    except ValueError:
        match = _BEHIND.fullmatch(cell.strip())
    return (float(match[1].replace(",", ".")), unit_spelled(match[2])) if match else (float("nan"), "")


def without_unit(name: str) -> str:
    """Return a name in lower case without the unit that ends it."""
    return _NAMED.sub("", name.strip()).strip(" _").lower()


def unit_of_numbers(numbers: NDArray[np.float64], name: str) -> str:
    """Return the unit by name, or else by the magnitude of an epoch; seconds where neither tells."""
    if unit := unit_in_name(name):
        return unit
    largest = float(np.nanmax(np.abs(numbers))) if np.isfinite(numbers).any() else 0.0
    if are_years(numbers, name):
        return "y"
    if "dat" in name.lower() and may_be_days(numbers, name):
        return "d"
    return next((unit for bound, unit in MAGNITUDES if largest > bound), "s")


def is_year_name(name: str) -> bool:
    """Return whether a column is called a year."""
    return without_unit(name) in _YEARS


def are_years(numbers: NDArray[np.float64], name: str) -> bool:
    """Return whether numbers are years, such as 1821 or 1949.083: by the name, or by steps of parts of a year."""
    known = numbers[np.isfinite(numbers)]
    if is_year_name(name):
        return len(known) > 0 and known.min() >= 1000 and known.max() < 3000
    part = _year_part(known)
    return part > 1 or (part == 1 and without_unit(name) in _DATES)


def may_be_years(numbers: NDArray[np.float64]) -> bool:
    """Return whether numbers rise by one from a year of our time to another; seconds do so, too."""
    return _year_part(numbers[np.isfinite(numbers)]) == 1


def _year_part(known: NDArray[np.float64]) -> int:
    """Return the number of equal steps in a year by which numbers rise within our time; 0 where they do not."""
    if len(known) < 3 or known.min() < _OUR_TIME[0] or known.max() > _OUR_TIME[1]:
        return 0
    steps = np.diff(known)
    # Two or three decimals of a year are written.
    parts = [part for part in _YEAR_PARTS if (np.abs(steps - 1 / part) <= 0.1 / part).all()]
    return parts[0] if parts else 0


def may_be_days(numbers: NDArray[np.float64], name: str) -> bool:
    """Return whether numbers may be days as spreadsheets count them: a rising part of a day behind a day of our time.

    Seconds of a day lie in the same range, but a day that is read for their steps has hardly ever whole ones.
    """
    known = numbers[np.isfinite(numbers)]
    if len(known) < 2 or known.min() < _SPREADSHEET[0] or known.max() > _SPREADSHEET[1]:
        return False
    steps = np.diff(known)
    step = float(np.median(steps))
    if not 0 < step < 31 or ((known == np.round(known)).all() and without_unit(name) not in _DATES):
        return False
    if "dat" in name.lower():
        return True
    # Over even steps the digits that were not written average out.
    seconds = SCALE["d"] * (float(steps.mean()) if np.ptp(steps) < _EVEN * step else step)
    return abs(seconds - round(seconds)) < _WHOLE_S and is_round(round(seconds))


def is_round(seconds: float) -> bool:
    """Return whether an hour has whole steps of so many seconds, or a day whole steps of so many hours."""
    return seconds > 0 and (3600 % seconds == 0 or (seconds % 3600 == 0 and 86_400 % seconds == 0))
