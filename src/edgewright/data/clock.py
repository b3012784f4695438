"""Reading times: ISO text, epoch seconds or counters become seconds relative to the first row; and their unit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.reader import ClockReader, day_order, is_day, is_time_of_day, is_time_text, refuse_missing
from edgewright.core.clocks.units import (
    MAGNITUDES,
    SCALE,
    WORDS,
    are_years,
    is_round,
    is_year_name,
    may_be_days,
    may_be_years,
    number_and_unit,
    numbers_and_unit,
    rate_of,
    unit_in_name,
    unit_of_numbers,
    without_unit,
)
from edgewright.core.csv.header import EQUALS
from edgewright.core.errors import InputError, RateDiffersError
from edgewright.core.records.data import Column, TimeUnit

# Relative difference of rates that is jitter of the clock and no other rate.
_JITTER = 0.02
# Names of a column that holds the times of rows, without a unit at the end.
_COLUMNS = frozenset({
    "time", "date", "datetime", "timestamp", "zeit", "zeitstempel", "uhrzeit", "datum", "tiempo", "fecha", "hora",
    "temps", "heure", "horodatage", "tempo", "ora",
})  # fmt: skip
_DAYS = frozenset({"day", "tag", "dia", "jour", "giorno"})
_TIMES_OF_DAY = frozenset({
    "clock", "hour", "hours", "time of day", "time_of_day", "timeofday", "tod", "hhmm", "hhmmss", "local time",
    "local_time", "uhr", "tageszeit", "horas", "heures", "ore",
})  # fmt: skip
# An ISO date, and an epoch of 2001 to 2096 in s, ms, us or ns. So many cells are looked at; a file of several people
# or files one after the other goes back now and then, birthdays do half of the time.
_EPOCH = re.compile(r"[123]\d{9}(\d{3}){0,3}(\.\d*)?")
_LOOKED_AT, _BACK = 1000, 0.1
# Share of the cells of a clock that are times, at least.
_TIMES = 0.9


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """Times of the rows of one recording.

    Attributes:
        seconds: shape (rows,), float64, relative to the first row.
        origin: the first row's time in seconds, of the epoch where the text says so, of the counter otherwise.
        unit: seconds that one unit of the text is; 1 for ISO text.
        day_order: 'dmy' or 'mdy', the order in which dates with slashes were read; empty for other times.
    """

    seconds: NDArray[np.float64]
    origin: float
    unit: float
    day_order: str = ""


def find_time_column(columns: Mapping[str, Sequence[str]]) -> str:
    """Find the column that holds the times of rows, by its name ('timestamp', 'time_ms') or else by its first values.

    Args:
        columns: the first cells of each column by its name; none where only names are known.

    Returns:
        The column's name; of several the one with the most different times. Empty where none is found.
    """
    named = [name for name in columns if without_unit(name) in _COLUMNS and not _is_minimum(name, columns)]
    if named:
        # Where a day has several rows, another column tells them apart.
        return next((name for name in named if not _repeats_days(columns[name])), named[0])
    years = [name for name in columns if is_year_name(name) and _are_rising_years(name, columns[name])]
    if years:
        return years[0]
    counts = {name: count for name, cells in columns.items() if (count := _count_times(cells)) > 1}
    return max(counts, key=lambda name: counts[name], default="")


def _are_rising_years(name: str, cells: Sequence[str]) -> bool:
    """Return whether cells are years, another one in each row, that hardly ever go back."""
    counted = numbers_and_unit(cells[:_LOOKED_AT])
    if counted is None or not are_years(counted[0], name):
        return False
    steps = np.diff(counted[0][np.isfinite(counted[0])])
    return len(steps) > 0 and bool((steps != 0).all()) and float((steps < 0).mean()) <= _BACK


def split_clock(columns: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the columns with the day of a row and with the time of day, where they are two; else none.

    Args:
        columns: the first cells of each column by its name.
    """
    named = [name for name in columns if without_unit(name) in (*_COLUMNS, *_DAYS)]
    days = [name for name in named if _are_all(columns[name], is_day)]
    # Of a table of days, a column such as `bedtime` is a reading.
    clocks = [n for n in columns if without_unit(n) in _COLUMNS or n.strip().lower() in _TIMES_OF_DAY] if days else []
    times = [name for name in clocks if _are_all(columns[name], is_time_of_day)]
    return (days[0], times[0]) if times else ()


def _are_all(cells: Sequence[str], fits: Callable[[str], bool]) -> bool:
    lines = [cell.strip() for cell in cells[:_LOOKED_AT] if cell.strip()]
    return bool(lines) and all(map(fits, lines))


def _repeats_days(cells: Sequence[str]) -> bool:
    """Return whether cells are days, some of them in several rows one after the other."""
    lines = [cell.strip() for cell in cells[:_LOOKED_AT] if cell.strip()]
    return _are_all(lines, is_day) and any(before == after for before, after in pairwise(lines))


def _is_minimum(name: str, columns: Collection[str]) -> bool:
    """Return whether a name such as 'time_min' stands beside 'time_max', or another column of such a figure."""
    head, _, end = name.rpartition("_")
    return end.lower() == "min" and any(column.lower() == f"{head}_max".lower() for column in columns)


def _count_times(cells: Sequence[str]) -> int:
    """Count different times in cells that are all ISO dates or all epochs and hardly ever go back; else 0."""
    lines = [cell.strip() for cell in cells[:_LOOKED_AT] if cell.strip()]
    if all(is_time_text(cell) for cell in lines):
        times = ClockReader("", day_order(lines) or "dmy").ticks(lines).tolist()
        if any(time != time for time in times):
            return 0
    elif all(_EPOCH.fullmatch(cell) for cell in lines):
        times = [float(cell) for cell in lines]
    else:
        return 0
    back = sum(later < earlier for earlier, later in pairwise(times))
    return len(set(times)) if back <= _BACK * len(times) else 0


def is_clock(name: str, cells: Sequence[str]) -> bool:
    """Return whether cells are times: nearly all of them where they are numbers or the name says so, else every one."""
    if without_unit(name) not in _COLUMNS and numbers_and_unit(cells) is None:
        try:
            read_clock(
                np.asarray(cells, np.str_), column=name, unit="auto" if day_order(cells) else "dmy", row_name=str
            )
        except InputError:
            return False
        return True
    lines = [cell.strip() for cell in cells]
    right = sum(bool(cell) and (is_time_text(cell) or math.isfinite(number_and_unit(cell)[0])) for cell in lines)
    return right > 0 and right >= _TIMES * len(lines)


def read_clock(text: NDArray[np.str_], *, column: str, unit: TimeUnit, row_name: Callable[[int], str]) -> Clock:
    """Read a column of times.

    Args:
        text: shape (rows,), dates, times of day or numbers.
        column: name of the column; an ending such as `_ms` or `[ms]` gives the unit of numbers under 'auto'.
        unit: of numbers; 'auto' goes by what stands behind them, by the column's name, then by the magnitude of an
            epoch, then takes seconds.
        row_name: where a row stands, for errors.

    Raises:
        InputError: naming the row whose time is missing or is no time.
    """
    reader = ClockReader(column, unit)
    ticks = reader.ticks(text.tolist())
    refuse_missing(ticks, text, column, row_name)
    # The difference is taken before the scaling: nanoseconds of an epoch keep their last digits longer.
    origin = float(ticks[0]) if len(ticks) else 0.0
    return Clock(
        seconds=(ticks - origin) * reader.scale, origin=origin * reader.scale, unit=reader.scale,
        day_order=reader.day_order,
    )  # fmt: skip


def measured_rate(times: Iterable[NDArray[np.float64] | None]) -> float | None:
    """Sample a second by the times of recordings: the median of their rates; None where none carries a time."""
    rates = [rate for time in times if time is not None and (rate := rate_of(time)) is not None]
    return tidy_rate(float(np.median(rates))) if rates else None


def common_rate(rates: Sequence[tuple[str, float | None]]) -> float | None:
    """Return the one rate of several recordings: the median of theirs.

    Args:
        rates: name and samples a second of each recording; None where it carries no time.

    Raises:
        InputError: naming two recordings whose rates differ by more than the jitter of a clock.
    """
    known = [(name, rate) for name, rate in rates if rate is not None]
    if not known:
        return None
    middle = float(np.median([rate for _, rate in known]))
    low, high = min(known, key=lambda pair: pair[1]), max(known, key=lambda pair: pair[1])
    if high[1] - low[1] > _JITTER * middle:
        raise RateDiffersError(
            "recordings of one sampling rate",
            f"{low[1]:g} Hz and {high[1]:g} Hz",
            f"{low[0]} and {high[0]}",
            "Load each rate separately, or set rate if the times are wrong",
        )
    return middle


def tidy_rate(rate: float | None) -> float | None:
    """Return a rate without the noise of the clock: whole where it is within one in ten thousand of a whole number."""
    if rate is None:
        return None
    whole = round(rate)
    return float(whole) if whole and abs(rate - whole) < 1e-4 * whole else rate


# Rows a second that sensors of motion (inertial ones give at most 8,000), of signals, of rooms, and that others give.
_MOTION_HZ, _SIGNAL_HZ, _SLOW_HZ, _ANY_HZ = (5.0, 8000.0), (5.0, 50_000.0), (1e-5, 2.0), (1e-5, 20_000.0)
_MINUTE_S = 60
# Seconds of a day are hardly ever written in finer steps than this.
_FINEST_S = 1e-3


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


def choose_unit(numbers: NDArray[np.float64], name: str, others: Iterable[str], stated: str = "") -> UnitChoice:
    """Choose the unit by what the file states, by magnitude and step, and by how fast what else is measured changes.

    Args:
        numbers: shape (rows,).
        name: name of the column; the unit that ends it counts as stated.
        others: names of the columns that are measured.
        stated: the unit in a line of units; empty for none.
    """
    known = numbers[np.isfinite(numbers)]
    steps = np.abs(np.diff(known))
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if stated_units := tuple(dict.fromkeys(unit for unit in (stated, unit_in_name(name)) if unit)):
        return UnitChoice(stated_units[0], stated_units[1:], step)
    usual = unit_of_numbers(numbers, name)
    if usual == "y":
        return UnitChoice("y", step=step)
    if may_be_years(known):
        return UnitChoice("s", ("y",), step)
    largest = float(np.abs(known).max()) if len(known) else 0.0
    low, high = _range_of(others)
    if may_be_days(numbers, name) and "dat" not in name.lower():
        fit = [unit for unit in ("d", "s") if low <= 1 / (step * SCALE[unit]) <= high] or ["d", "s"]
        # A quarter of a day and of a second have the same digits; hours and minutes of a day have endless ones.
        ends = bool(np.allclose(known / _FINEST_S, np.round(known / _FINEST_S), rtol=0, atol=1e-3))
        fit = ["d", "s"] if ends else [unit for unit in fit if unit == "d" or step >= _FINEST_S]
        return UnitChoice(fit[0], tuple(fit[1:]), step)
    if usual == "d" or (largest > MAGNITUDES[-1][0] and _is_epoch(largest)) or step < 1:
        return UnitChoice(usual, step=step)
    # Who counts from row to row in ones counts seconds or rows; finer units stand in larger steps.
    anything = (low, high) == _ANY_HZ
    minimum_steps = {"s": 0.0, "ms": 1.5, "us": 1e3 if anything else 1.5, "ns": 1e6 if anything else 1.5}
    fit = [u for u in minimum_steps if low <= 1 / (step * SCALE[u]) <= high and step >= minimum_steps[u]]
    if "s" in fit and step > _MINUTE_S and (known != np.round(known)).any():
        fit = ["s"]  # counters of finer units have no fractions in such steps
    fit = [unit for unit in fit if unit != "s" or _is_usual(step) or fit == ["s"]]
    if "s" in fit and step % 60 == 0 and 1000 % step:
        # Whole minutes, and no whole number of rows in a second. Minutes of an hour and hours of a day are usual.
        if step < 1000 or is_round(step):
            fit = ["s"]
        elif is_round(step * SCALE["ms"]):
            fit.remove("s")
    if not fit and step == 1 and low > 1:
        fit = ["s", "ms"]  # too slow in one and in steps that nobody writes in the other
    if not fit:
        return UnitChoice(usual, step=step)
    return UnitChoice(fit[0], tuple(fit[1:]), step)


def _is_epoch(largest: float) -> bool:
    return any(1e9 * scale < largest < 4e9 * scale for scale in (1.0, 1e3, 1e6, 1e9))


def _is_usual(step: float) -> bool:
    """Return whether rows come every so many seconds: up to a minute, or whole minutes up to a day."""
    return step <= _MINUTE_S or (step % _MINUTE_S == 0 and step <= 86_400)


def _range_of(names: Iterable[str]) -> tuple[float, float]:
    """Return rows a second that are plausible for what is measured."""
    kinds = set(kinds_of(tuple(Column(name=name) for name in names)))
    slow, fast = kinds & {TEMPERATURE, PRESSURE}, kinds & {SIGNAL, ACCELERATION, ROTATION}
    if not fast:
        return _SLOW_HZ if slow else _ANY_HZ
    low, high = _SIGNAL_HZ if SIGNAL in kinds else _MOTION_HZ
    # Beside what changes slowly they may be means of a minute.
    return _SLOW_HZ[0] if slow else low, high


ACCELERATION, ROTATION, SIGNAL, TEMPERATURE, PRESSURE = "acceleration", "rotation", "signal", "temperature", "pressure"
TIME, COUNT, CATEGORY, OTHER = "time", "count", "category", "other"
NO_SENSOR = (TIME, COUNT, CATEGORY)
"""Kinds whose values no sensor's error changes."""

TEMPERATURE_NAME = re.compile(r"temp(?!o)|thermo", re.IGNORECASE)
ROTATION_NAME = re.compile(r"gyr|angular|omega|rot(ation)?[_ ]?rate", re.IGNORECASE)
ACCELERATION_NAME = re.compile(r"acc(?!ount|ess|ura|umul|ept|id)|beschl|acel", re.IGNORECASE)
_UNITS = {
    ACCELERATION: ("g", "mg", "m/s²", "m/s^2", "m/s2"),
    ROTATION: ("deg/s", "°/s", "rad/s", "dps"),
    SIGNAL: ("mV", "µV", "uV"),
    TEMPERATURE: ("°C", "C", "K", "°F", "F"),
    PRESSURE: ("hPa", "mbar", "Pa", "kPa"),
    TIME: ("s", "ms", "us", "µs", "ns", "min", "h", "d", "days", "cycles"),
    COUNT: ("count", "counts", "samples"),
}
# The first that fits holds. A whole word ends at a sign that is no letter, or where a capital begins.
_NAMES = (
    (TIME, re.compile(
        r"(^|[\W_])(time(stamp)?|date|hours?|minutes?|seconds?|days?|weekday|week|months?|year|age|cycles?|elapsed|"
        r"duration|uptime)($|[\W_])", re.IGNORECASE,
    )),
    (COUNT, re.compile(r"(^|[\W_])(counts?|number|num|index|id|steps|pulses|total)($|[\W_])", re.IGNORECASE)),
    (ROTATION, ROTATION_NAME),
    (ACCELERATION, ACCELERATION_NAME),
    (TEMPERATURE, TEMPERATURE_NAME),
    (PRESSURE, re.compile(r"baro|atm|air[_ ]?press|sea[_ ]?level|(^|[\W_])(pressure|press)($|[\W_])", re.IGNORECASE)),
    (SIGNAL, re.compile(r"(^|[\W_])(ecg|ekg|eeg|emg|ppg|sound|audio|mic(rophone)?)($|[\W_]|\d)", re.IGNORECASE)),
)  # fmt: skip
# Names of a letter or two are motion only where all three axes are there.
_SHORT = {"g": ROTATION, "a": ACCELERATION, "": ACCELERATION}
# What is computed of readings has no offset of theirs.
_COMPUTED = re.compile(
    r"trend|slope|delta|diff|change|rise|drop|std|dev|var|spread|range|rate|ratio|amplitude|rms|energy", re.IGNORECASE
)
_AXIS = re.compile(r"^(?P<stem>.*?)[_\-. ]?(?P<axis>[xyz])$", re.IGNORECASE)


def kind_of(column: Column) -> str:
    """Return what a column measures; a declared unit goes before the name, and `OTHER` is what neither tells."""
    if EQUALS in column.name:
        return CATEGORY
    by_name = next((kind for kind, pattern in _NAMES if pattern.search(column.name)), OTHER)
    by_unit = next((kind for kind, units in _UNITS.items() if column.unit in units), "")
    kind = by_unit or by_name
    if kind in (TEMPERATURE, PRESSURE) and _COMPUTED.search(column.name):
        return OTHER
    return kind


def kinds_of(columns: tuple[Column, ...]) -> list[str]:
    """Return what each column measures; axes of motion may be named by their letters alone, such as x, y, z."""
    kinds = [kind_of(column) for column in columns]
    for stem, numbers in _triples(columns).items():
        if stem.lower() in _SHORT:
            for number in numbers:
                kinds[number] = kinds[number] if kinds[number] != OTHER else _SHORT[stem.lower()]
    return kinds


def _triples(columns: tuple[Column, ...]) -> dict[str, list[int]]:
    """Return the numbers of columns whose names end in x, y and z by what comes before."""
    by_stem: dict[str, dict[str, int]] = {}
    for number, column in enumerate(columns):
        if match := _AXIS.match(column.name):
            by_stem.setdefault(match["stem"], {})[match["axis"].lower()] = number
    return {stem: [axes[axis] for axis in "xyz"] for stem, axes in by_stem.items() if len(axes) == 3}


def sensors_of(columns: tuple[Column, ...]) -> dict[str, list[int]]:
    """Return the sensors and the numbers of their columns: the axes of one are one, times and counts are none.

    'acc_x', 'acc_y' and 'acc_z' are the sensor 'acc', every other column is one of its own.
    """
    stems = {number: stem for stem, numbers in _triples(columns).items() for number in numbers}
    sensors: dict[str, list[int]] = {}
    for number, column in enumerate(columns):
        if kind_of(column) not in NO_SENSOR:
            stem = stems.get(number)
            sensors.setdefault(column.name if stem is None else stem or "x, y, z", []).append(number)
    return sensors


def axis_pairs(columns: tuple[Column, ...]) -> list[tuple[int, int]]:
    """Return the x and y axes of each sensor that measures motion along x, y and z."""
    kinds = kinds_of(columns)
    return [(x, y) for x, y, _ in _triples(columns).values() if kinds[x] in (ACCELERATION, ROTATION)]


def motion_sensors(columns: tuple[Column, ...]) -> tuple[list[int], list[int]]:
    """Return the x, y and z axes of the one accelerometer, and of the one gyroscope; empty for none and for several."""
    kinds = kinds_of(columns)
    by_kind: dict[str, list[list[int]]] = {ACCELERATION: [], ROTATION: []}
    for axes in _triples(columns).values():
        if kinds[axes[0]] in by_kind:
            by_kind[kinds[axes[0]]].append(axes)
    acceleration, rotation = (sensors[0] if len(sensors) == 1 else [] for sensors in by_kind.values())
    return acceleration, rotation if acceleration else []
