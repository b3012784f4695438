"""The unit of a column of numbers that says when a row was measured: by its name, its cells and its values."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, TimeFormatError

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


Times = NDArray[np.float64]
GAP = 5.0
"""A step in time longer than this many usual steps is a gap that no window crosses; less is jitter or a lost row."""
TOLERANCE = 0.1
"""Relative difference of two rates that is the drift of a clock, as on a device."""
STANDING = 0.1
"""Share of steps of 0 from which on a clock is coarse: the time of a row does not tell it from the next one."""
# Share of steps that are as long as usual in rows of which many were lost, or which came in bursts.
_USUAL, _USUAL_FASTER = 0.1, 0.3
# Steps that tell the rate of a recording that goes on, of one that is there, and those that are looked at.
FEWEST, _FEW, _STEPS = 20, 5, 1000
# Quantile of the steps of a coarse clock that is its tick; longer steps are between bursts.
_SHORT_TICKS = 0.25
# Steps of a coarse clock that are looked at, those that are 0 among them.
_COARSE_STEPS = 100 * _STEPS
# Share of a whole number by which a ratio of rates may differ from it.
_WHOLE = 0.05


def rate_of(time: Times) -> float | None:
    """Return rows a second, from the steps that are near the median: a gap or a late row does not move it.

    Where a clock is so coarse that a tenth of its steps are zero, the rows of whole ticks count instead.
    None for fewer than two rows or a clock that stands still.
    """
    return _rate_of_steps(np.diff(time))


def gap_length(steps: Times) -> float:
    """Return the length above which a step is a gap, in the unit of the steps; infinite where they do not tell.

    A clock whose usual step is zero, such as whole seconds at 25 Hz, is measured by its ticks.
    """
    moved = steps[steps > 0]
    if not len(moved):
        return np.inf
    usual = float(np.median(steps))
    return GAP * (usual if usual > 0 else float(np.quantile(moved, _SHORT_TICKS)))


def _rate_of_steps(steps: Times) -> float | None:
    """Return rows a second by steps in their order; those below 0 do not count."""
    steps = steps[steps >= 0]
    moves = np.flatnonzero(steps > 0)
    if not len(moves):
        return None
    moved = steps[moves]
    step = float(np.median(moved))
    if len(steps) - len(moved) > STANDING * len(steps):
        # Rows between two moves have one time, for as long as the second move. The first and the last tick of a burst
        # are not whole, so they count only where there are no others.
        usual = moved <= GAP * float(np.quantile(moved, _SHORT_TICKS))
        whole = usual[:-1] & usual[1:]
        if whole.any():
            return float(np.diff(moves)[whole].sum() / moved[1:][whole].sum())
        return float((usual.sum() + len(steps) - len(moved)) / moved[usual].sum())
    near = moved[(moved >= 0.5 * step) & (moved <= 1.5 * step)]
    return 1.0 / (float(near.mean()) if len(near) else step)


def is_other_rate(time: Times, rate: float, tolerance: float) -> bool:
    """Return whether rows come at another rate, as at least five of their steps show."""
    steps = np.diff(time)
    return int(np.count_nonzero(steps > 0)) >= _FEW and _other_rate(steps, rate, tolerance) is not None


def _other_rate(steps: Times, rate: float, tolerance: float = TOLERANCE) -> float | None:
    """Return the rate of steps where it is another one than `rate`.

    Rows that were lost one by one leave steps of the right length between them, and are no lower rate.
    """
    measured = _rate_of_steps(steps)
    if measured is None or abs(measured / rate - 1) <= tolerance:
        return None
    usual = _USUAL if measured < rate else _USUAL_FASTER
    return measured if np.mean(np.abs(steps[steps > 0] * rate - 1) <= tolerance) < usual else None


def pace(rate: float) -> str:
    """Return a rate in words: rows a second, or seconds from one row to the next."""
    return f"a row every {1 / rate:.4g} s" if rate < 1 else f"{rate:.4g} rows a second"


def differs(rate: float, other: float) -> bool:
    """Return whether a rate is another one, and no drift of a clock."""
    return abs(other / rate - 1) > TOLERANCE


def other_rate(rate: float, measured: float, where: str, by: str = "") -> InputError:
    """Return the error for rows at another rate than in training; `by` is the column that says so."""
    faster = round(measured / rate)
    do = "Resample the rows"
    if faster > 1 and abs(measured / rate / faster - 1) <= _WHOLE:
        do = f"Average every {faster} rows into one"
    if not by and measured > rate:
        do += f" (resample = {rate:g} in [data], or score --set resample={rate:g})"
    do += f", or train on recordings of {pace(measured)}"
    do += f". If the times are wrong, remove the column {by!r}" if by else ""
    return TimeFormatError(f"{pace(rate)}, as in training", pace(measured) + (f" by {by!r}" if by else ""), where, do)


class RateGuard:
    """Refuses recordings whose rows come at another rate than those of the training, as soon as their steps show it.

    Args:
        rate: rows a second in training; None where its times did not say it: then nothing is refused.
        column: with the times.
        where: the rows come from, for messages.
    """

    def __init__(self, rate: float | None, column: str, where: str = "") -> None:
        self._rate, self._column, self.where = rate, column, where
        self.begin()

    def begin(self) -> None:
        """Begin a recording."""
        self._steps: Times = np.empty(0)

    def push(self, steps: Times, names: Sequence[str] = ()) -> None:
        """Take steps of the recording in seconds; those that go back tell nothing.

        Args:
            steps: shape (rows,).
            names: of the recording.

        Raises:
            InputError: rows at another rate.
        """
        known = np.count_nonzero(self._steps)
        if self._rate is None or known >= _STEPS or len(self._steps) >= _COARSE_STEPS:
            return
        self._steps = np.concatenate([self._steps, steps[steps >= 0]])
        self._steps = self._steps[: int(np.searchsorted(np.cumsum(self._steps > 0), _STEPS, side="right"))]
        measured = None
        if np.count_nonzero(self._steps) >= FEWEST:
            measured = _other_rate(self._steps, self._rate)
        if measured is not None:
            where = ", ".join([self.where, *names] if self.where else names)
            raise other_rate(self._rate, measured, where, self._column)
