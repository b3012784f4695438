"""Which of a source's columns are wanted, whether units agree, which one is the count, and what its times mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewright.core.clocks.reader import ClockReader
from edgewright.core.clocks.texts import ORDERS
from edgewright.core.clocks.units import unit_spelled
from edgewright.core.csv.categories import made_columns, text_inputs
from edgewright.core.units import MISSING_TEXTS, is_same_unit
from edgewright.schema.data import Column, Floats
from edgewright.schema.errors import InputError, UnknownNameError

_UNIT = re.compile(r"^(.*?)\s*[\[(]\s*([^\])]{1,16}?)\s*[\])]\s*$")
_TIME = re.compile(r"(time|timestamp|ts|t)(?:[_ ]?[\[(]?(?:s|ms|us|µs|ns)[\])]?)?", re.IGNORECASE)
_COUNT = re.compile(r"seq|sequence", re.IGNORECASE)
Seconds = NDArray[np.float64]
_SHOWN = 40
NO_COLUMN = "-"
"""Name of a time or sequence column that says: there is none, whatever the columns are called."""


@dataclass(frozen=True)
class Match:
    """Where the wanted columns stand.

    Attributes:
        names: of the channels that come out.
        places: of each among the given columns; -1 where it is missing.
        time, sequence: places of these columns; -1 where there is none.
        missing: wanted and not given.
    """

    names: tuple[str, ...]
    places: tuple[int, ...]
    time: int
    sequence: int
    missing: tuple[str, ...]

    @property
    def notice(self) -> str:
        """What is missing, in words; empty where nothing is."""
        return f"no column {', '.join(self.missing)}: it counts as missing" if self.missing else ""

    def chosen(self, rows: int, column: Callable[[int], ArrayLike]) -> Floats:
        """Return the wanted channels of so many rows, shape (rows, channels); `column` gives one by its place."""
        values = np.full((rows, len(self.places)), np.nan, np.float32)
        for channel, index in enumerate(self.places):
            if index >= 0:
                values[:, channel] = column(index)
        return values


def clock_among(trained: Sequence[Column], wanted: Sequence[str]) -> Column | None:
    """Return the column of times that packages name, with its unit: the one that is no channel; None without."""
    channels = {*wanted, *map(bare, wanted)}
    others = (column for column in trained if not {column.name, bare(column.name)} & channels)
    return next(others, None) if channels else None


def clock_named(trained: Sequence[Column], wanted: Sequence[str], given: Sequence[str]) -> str:
    """Return the name of that column where a source gives it; else empty."""
    clock = clock_among(trained, wanted)
    return clock.name if clock is not None and clock.name in given else ""


def clock_unit(trained: Sequence[Column], wanted: Sequence[str], name: str) -> str:
    """Return the unit that packages state for a column of times; empty where they do not."""
    clock = clock_among(trained, wanted)
    unit = clock.unit if clock is not None and clock.name == name else ""
    return unit if unit in ORDERS else unit_spelled(unit)


def bare(name: str) -> str:
    """Return a name without the unit in brackets at its end: 'acc_x [g]' gives 'acc_x'."""
    parts = _UNIT.match(name)
    return parts[1] if parts and parts[1] else name


def unit_of(name: str) -> str:
    """Return the unit in brackets at a name's end; empty where there is none."""
    parts = _UNIT.match(name)
    return parts[2] if parts and parts[1] else ""


def with_categories(given: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return a source's columns, and behind them those that are made of its text columns: `Type=H` of `Type`."""
    coded = made_columns(text_inputs(wanted, given))
    return tuple(dict.fromkeys([*given, *coded]))


def match(given: Sequence[str], wanted: Sequence[str], where: str, *, time: str = "", sequence: str = "") -> Match:
    """Find the wanted columns among those a source gives.

    Args:
        given: columns of the source, in its order.
        wanted: channels in the order they are to come out; none: all that are neither time nor count. A name may end
            in its unit in brackets.
        where: for messages.
        time: the column with the time; empty: one called time, timestamp, ts or t (with a unit: time_ms), unless it is
            wanted as a channel; '-': none.
        sequence: the column with the sender's count; empty: one called seq or sequence; '-': none.

    Raises:
        InputError: where both sides name a unit and they differ.
        UnknownNameError: for a time or sequence column that is not there.
    """
    time_at = _special(given, wanted, time, _TIME, "time column", where)
    count_at = _special(given, wanted, sequence, _COUNT, "sequence column", where)
    if not wanted:
        places = tuple(i for i in range(len(given)) if i not in (time_at, count_at))
        return Match(tuple(given[i] for i in places), places, time_at, count_at, ())
    places = tuple(_index_of(given, name, where) for name in wanted)
    missing = tuple(name for name, index in zip(wanted, places, strict=True) if index < 0)
    return Match(tuple(wanted), places, time_at, count_at, missing)


def _index_of(given: Sequence[str], name: str, where: str) -> int:
    if name in given:
        return list(given).index(name)
    for position, other in enumerate(given):
        if bare(other) == bare(name):
            want, got = unit_of(name), unit_of(other)
            if want and got and not is_same_unit(want, got):
                raise InputError(
                    f"{bare(name)} in {want}", f"{bare(name)} in {got}", where, "Send that unit, or train on this one"
                )
            return position
    return -1


def _special(
    given: Sequence[str], wanted: Sequence[str], name: str, usual: re.Pattern[str], title: str, where: str
) -> int:
    if name == NO_COLUMN:
        return -1
    if name:
        if name not in given:
            raise UnknownNameError(title, name, given, where)
        return list(given).index(name)
    # A channel that happens to be called `t` stays a channel where it is asked for.
    plain = {bare(other) for other in wanted}
    return next((i for i, other in enumerate(given) if usual.fullmatch(other) and bare(other) not in plain), -1)


def refuse_missing(columns: Match, given: Sequence[str], where: str) -> None:
    """Raise `UnknownNameError` for the first wanted column that is not there."""
    if columns.missing:
        raise UnknownNameError("column", columns.missing[0], given, where)


class TimeColumn:
    """Turns a column of times into seconds; counters that begin again and times of day after midnight go on.

    Args:
        name: name of the column; an ending such as `_ms` or `[us]` gives the unit, else the size of the numbers does.
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
        odd = [text[index] for index in np.flatnonzero(np.isnan(times)).tolist()]
        odd = [cell.strip() for cell in odd if cell.strip().lower() not in MISSING_TEXTS]
        begins, self._odd = bool(odd) and not self._odd, bool(odd)
        if not begins:
            return times, ""
        return times, (
            f"column {self._name}: expected a date such as 2026-11-20T13:00:00, got {odd[0][:_SHOWN]!r}; a row without "
            "a time is taken as the next one, or at its arrival"
        )
