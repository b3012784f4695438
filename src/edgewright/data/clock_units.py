"""The unit of a column of numbers that says when a row was measured: by its name, its values, and what is measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.data.sensor_kinds import ACCELERATION, PRESSURE, ROTATION, SIGNAL, TEMPERATURE, kinds_of
from edgewright.schema.data import Column

SCALE = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "d": 86_400.0}
WORDS = {
    "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "min": "minutes", "h": "hours",
    "d": "days",
}  # fmt: skip
# An epoch of today is 1.7e9 s, 1.7e12 ms, 1.7e15 us or 1.7e18 ns: the magnitude tells the unit.
_MAGNITUDES = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e9, "s"))
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
# Rows a second that sensors of motion (inertial ones give at most 8,000), of signals, of rooms, and that others give.
_MOTION_HZ, _SIGNAL_HZ, _SLOW_HZ, _ANY_HZ = (5.0, 8000.0), (5.0, 50_000.0), (1e-5, 2.0), (1e-5, 20_000.0)
_DATES = ("date", "datum", "datetime")
# Seconds of a day are hardly ever written in finer steps than this.
_FINEST_S = 1e-3
# Share of a step by which even steps differ.
_EVEN = 0.05
# Seconds by which a step of days may be no whole number of seconds, as nine digits write it.
_WHOLE_S = 0.02
_WRAPS = (2**16, 2**32)


@dataclass(frozen=True)
class UnitChoice:
    """The unit of a column of numbers.

    Attributes:
        unit: one of `SCALE`; the first of several that fit.
        others: units that fit as well.
        step: median difference of two rows.
    """

    unit: str
    others: tuple[str, ...] = ()
    step: float = 0.0

    @property
    def units(self) -> tuple[str, ...]:
        """All units that fit."""
        return (self.unit, *self.others)

    def pace(self, unit: str) -> str:
        """Return what the rows are in a unit: 'milliseconds, 100 Hz'."""
        step_s = self.step * SCALE[unit]
        rate = f"{1 / step_s:.4g} Hz" if step_s < 1 else f"a row every {step_s:.4g} s"
        return f"{WORDS[unit]} ({unit}), {rate}"


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
        matches = [_BEHIND.fullmatch(cell) for cell in lines]
    units = {unit_spelled(match[2]) for match in matches if match}
    if len(units) != 1 or any(cell and not match for cell, match in zip(lines, matches, strict=True)):
        return None
    numbers = [match[1].replace(",", ".") if match else "nan" for match in matches]
    return np.array(numbers).astype(np.float64), units.pop()


def without_unit(name: str) -> str:
    """Return a name in lower case without the unit that ends it."""
    return _NAMED.sub("", name.strip()).strip(" _").lower()


def unit_of_numbers(numbers: NDArray[np.float64], name: str) -> str:
    """Return the unit by name, or else by the magnitude of an epoch; seconds where neither tells."""
    if unit := unit_in_name(name):
        return unit
    largest = float(np.nanmax(np.abs(numbers))) if np.isfinite(numbers).any() else 0.0
    if _may_be_days(numbers, name) and ("dat" in name.lower() or np.nanmax(numbers) - np.nanmin(numbers) >= 1):
        return "d"
    return next((unit for bound, unit in _MAGNITUDES if largest > bound), "s")


def choose_unit(numbers: NDArray[np.float64], name: str, others: Iterable[str], stated: str = "") -> UnitChoice:
    """Choose the unit by what the file states, by magnitude and step, and by how fast what else is measured changes.

    Args:
        numbers: shape (rows,).
        name: of the column; the unit that ends it counts as stated.
        others: names of the columns that are measured.
        stated: the unit in a line of units; empty for none.
    """
    known = numbers[np.isfinite(numbers)]
    steps = np.abs(np.diff(known))
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if said := tuple(dict.fromkeys(unit for unit in (stated, unit_in_name(name)) if unit)):
        return UnitChoice(said[0], said[1:], step)
    usual = unit_of_numbers(numbers, name)
    largest = float(np.abs(known).max()) if len(known) else 0.0
    low, high = _range_of(others)
    if _may_be_days(numbers, name) and "dat" not in name.lower():
        fit = [unit for unit in ("d", "s") if low <= 1 / (step * SCALE[unit]) <= high]
        fit = [unit for unit in fit or ["d", "s"] if unit == "d" or step >= _FINEST_S]
        return UnitChoice(fit[0], tuple(fit[1:]), step)
    if usual == "d" or (largest > _MAGNITUDES[-1][0] and _is_epoch(largest)) or step < 1:
        return UnitChoice(usual, step=step)
    # Who counts from row to row in ones counts seconds or rows; finer units stand in larger steps.
    anything = (low, high) == _ANY_HZ
    least = {"s": 0.0, "ms": 1.5, "us": 1e3 if anything else 1.5, "ns": 1e6 if anything else 1.5}
    fit = [u for u in least if low <= 1 / (step * SCALE[u]) <= high and step >= least[u]]
    fit = [unit for unit in fit if unit != "s" or _is_usual(step)]
    if "s" in fit and step % 60 == 0 and 1000 % step:
        # Whole minutes, and no whole number of rows in a second. Minutes of an hour and hours of a day are usual.
        if step < 1000 or _is_round(step):
            fit = ["s"]
        elif _is_round(step * SCALE["ms"]):
            fit.remove("s")
    if not fit and step == 1 and low > 1:
        fit = ["s", "ms"]  # too slow in one and in steps that nobody writes in the other
    if not fit:
        return UnitChoice(usual, step=step)
    return UnitChoice(fit[0], tuple(fit[1:]), step)


def unwrapped(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a counter of 16 or 32 bits that begins again at zero as one that goes on; others as they are."""
    steps = np.diff(numbers)
    back = steps < 0
    if not back.any() or not (numbers == np.round(numbers)).all():
        return numbers
    usual = float(np.median(steps[~back])) if (~back).any() else 0.0
    for size in _WRAPS:
        goes_on = (steps[back] % size <= 3 * usual) & (usual > 0)
        if numbers.max() < size and goes_on.all():
            return np.asarray(numbers + size * np.concatenate([[0.0], np.cumsum(back)]), np.float64)
    return numbers


def _is_epoch(largest: float) -> bool:
    return any(1e9 * scale < largest < 4e9 * scale for scale in (1.0, 1e3, 1e6, 1e9))


def _may_be_days(numbers: NDArray[np.float64], name: str) -> bool:
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
    return abs(seconds - round(seconds)) < _WHOLE_S and _is_round(round(seconds))


def _is_usual(step: float) -> bool:
    """Return whether rows come every so many seconds: up to a minute, or whole minutes up to a day."""
    return step <= 60 or (step % 60 == 0 and step <= 86_400)


def _is_round(seconds: float) -> bool:
    """Return whether an hour has whole steps of so many seconds, or a day whole steps of so many hours."""
    return seconds > 0 and (3600 % seconds == 0 or (seconds % 3600 == 0 and 86_400 % seconds == 0))


def _range_of(names: Iterable[str]) -> tuple[float, float]:
    """Return rows a second that are plausible for what is measured."""
    kinds = set(kinds_of(tuple(Column(name=name) for name in names)))
    slow, fast = kinds & {TEMPERATURE, PRESSURE}, kinds & {SIGNAL, ACCELERATION, ROTATION}
    if not fast:
        return _SLOW_HZ if slow else _ANY_HZ
    low, high = _SIGNAL_HZ if SIGNAL in kinds else _MOTION_HZ
    # Beside what changes slowly they may be means of a minute.
    return _SLOW_HZ[0] if slow else low, high
