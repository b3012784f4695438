"""Reading times: ISO text, epoch seconds or counters become seconds relative to the first row, in float64."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.rates import rate_of
from edgewright.core.clocks.reader import ClockReader, refuse_missing
from edgewright.core.clocks.texts import day_order, is_day, is_time_of_day, is_time_text
from edgewright.core.clocks.units import number_and_unit, numbers_and_unit, without_unit
from edgewright.schema.data import TimeUnit
from edgewright.schema.errors import InputError

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
    found = {name: count for name, cells in columns.items() if (count := _count_times(cells)) > 1}
    return max(found, key=lambda name: found[name], default="")


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
            read_clock(np.asarray(cells, np.str_), column=name, unit="auto" if day_order(cells) else "dmy", place=str)
        except InputError:
            return False
        return True
    lines = [cell.strip() for cell in cells]
    right = sum(bool(cell) and (is_time_text(cell) or math.isfinite(number_and_unit(cell)[0])) for cell in lines)
    return right > 0 and right >= _TIMES * len(lines)


def read_clock(text: NDArray[np.str_], *, column: str, unit: TimeUnit, place: Callable[[int], str]) -> Clock:
    """Read a column of times.

    Args:
        text: shape (rows,), dates, times of day or numbers.
        column: name of the column; an ending such as `_ms` or `[ms]` gives the unit of numbers under 'auto'.
        unit: of numbers; 'auto' goes by what stands behind them, by the column's name, then by the magnitude of an
            epoch, then takes seconds.
        place: where a row stands, for errors.

    Raises:
        InputError: naming the row whose time is missing or is no time.
    """
    reader = ClockReader(column, unit)
    ticks = reader.ticks(text.tolist())
    refuse_missing(ticks, text, column, place)
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


def common_rate(rates: Sequence[tuple[str, float | None]], tolerance: float = 0.02) -> float | None:
    """Return the one rate of several recordings: the median of theirs.

    Args:
        rates: name and samples a second of each recording; None where it carries no time.
        tolerance: relative difference that is jitter of the clock and no other rate.

    Raises:
        InputError: naming two recordings whose rates differ by more.
    """
    known = [(name, rate) for name, rate in rates if rate is not None]
    if not known:
        return None
    middle = float(np.median([rate for _, rate in known]))
    low, high = min(known, key=lambda pair: pair[1]), max(known, key=lambda pair: pair[1])
    if high[1] - low[1] > tolerance * middle:
        raise InputError(
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
