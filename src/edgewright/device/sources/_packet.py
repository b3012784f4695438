"""Rows as a reader found them, the columns that are wanted, and the packet that they become."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewright.core.clocks.reader import ORDERS, ClockReader
from edgewright.core.clocks.units import unit_spelled
from edgewright.core.csv.header import made_columns, text_inputs
from edgewright.core.errors import SourceError, UnknownNameError
from edgewright.core.formatting import MISSING_TEXTS, is_same_unit
from edgewright.core.records.data import Column, Floats
from edgewright.core.records.device import Packet

Seconds = NDArray[np.float64]

EPOCH = 1e8
"""Seconds beyond this (1973) are a date; a device's clock since its start is not."""
# How fast rows without a clock of their own follow their arrival, and from which distance on they jump to it.
_GAIN, _JUMP = 0.02, 0.5


class ArrivalClock:
    """Times for rows that carry none: when they came, evenly spaced where a rate is known.

    With a rate a row comes one period after the one before, and the whole follows the arrival slowly (a fiftieth of
    the difference a packet), so that what the system delays or bundles does not shake the times. Half a second off,
    they jump to the arrival: rows were lost, or the source was away. Rows of a backlog follow each other however fast
    they are read, and the arrival of those behind them is seen from their end.

    Args:
        rate: rows a second; None where nobody knows.
    """

    def __init__(self, rate: float | None) -> None:
        self._period = 1.0 / rate if rate else 0.0
        self._last: float | None = None
        self._ahead = 0.0

    @property
    def last(self) -> float | None:
        """Time of the last row."""
        return self._last

    def go_on(self, last: float, away: float, now: float) -> None:
        """Go on from the last row before a restart.

        Args:
            last: its time.
            away: seconds since then.
            now: of the monotonic clock, seconds.
        """
        self._last, self._ahead = last, last + away - now

    def stamp(self, rows: int, now: float, *, backlog: bool = False) -> Seconds:
        """Return times of so many rows that arrived together.

        Args:
            rows: at least 1.
            now: of the monotonic clock, seconds.
            backlog: whether they were there before anybody listened.
        """
        now += self._ahead
        count = np.arange(1, rows + 1, dtype=np.float64)
        if backlog and self._period:
            times: Seconds = (now if self._last is None else self._last) + self._period * count
            self._ahead += float(times[-1]) - now
        elif not self._period:
            # Without a rate they are spread over the time since the packet before; the first ones lie close together.
            since = now - 1e-3 * rows if self._last is None else min(self._last, now)
            times = since + (now - since) * count / rows
        elif self._last is None:
            times = now + self._period * (count - rows)
        else:
            times = self._last + self._period * count
            late = now - times[-1]
            times = times + (late if abs(late) > max(_JUMP, 5 * self._period) else _GAIN * late)
            if times[0] <= self._last:  # a jump back still goes forwards, only closer together
                times = self._last + (max(now, self._last + 1e-6) - self._last) * count / rows
        self._last = float(times[-1])
        return times


_FIRST, _LONGEST = 0.2, 30.0  # seconds to the second attempt, which double, and between attempts at last


class Backoff:
    """When the next attempt is due.

    Args:
        clock: of monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause, self._next = _FIRST, -math.inf

    def wait(self) -> float:
        """Return seconds until an attempt is due; 0 when it is."""
        return max(0.0, self._next - self._clock())

    def failed(self) -> None:
        """Record a failed attempt: the next one comes later."""
        self._next = self._clock() + self._pause
        self._pause = min(_LONGEST, 2 * self._pause)

    def worked(self) -> None:
        """Record that the source works: after the next failure it is tried again soon."""
        self._pause, self._next = _FIRST, -math.inf


_ANEW = 1000  # rows; a count that falls by more is not out of order


@dataclass(frozen=True)
class Arrived:
    """Rows: values (rows, channels); time and sequence (rows,) where the rows carry them."""

    values: Floats
    time: NDArray[np.float64] | None = None
    sequence: NDArray[np.int64] | None = None
    notices: tuple[str, ...] = field(default=())


def joined(parts: Sequence[Arrived], width: int, notices: tuple[str, ...]) -> Arrived:
    """Return the rows of several pieces together; those that came before the columns changed are left out."""
    parts = [part for part in parts if len(part.values) and part.values.shape[1] == width]
    if not parts:
        return Arrived(np.empty((0, width), np.float32), notices=notices)
    times = [part.time for part in parts if part.time is not None]
    counts = [part.sequence for part in parts if part.sequence is not None]
    return Arrived(
        np.concatenate([part.values for part in parts]),
        np.concatenate(times) if len(times) == len(parts) else None,
        np.concatenate(counts) if len(counts) == len(parts) else None,
        notices,
    )


class Stamper:
    """Makes packets of one stream: stamps rows that carry no time, and counts those that the count says are lost.

    Args:
        stream: name of the stream in a source of many.
        rate: rows a second that are expected, for rows without a time.
    """

    def __init__(self, stream: str = "", rate: float | None = None) -> None:
        self._stream, self._clock = stream, ArrivalClock(rate)
        self._high: int | None = None
        self.backlog = False
        """Whether rows were there before anybody listened."""

    def state(self) -> list[float | None]:
        """Return what the times and counts of the next rows follow."""
        return [self._clock.last, time.time(), self._high]

    def go_on(self, state: Sequence[float | None]) -> None:
        """Go on from a state of an earlier run."""
        last, wall, high = state
        self._high = None if high is None else int(high)
        if last is not None and wall is not None:
            self._clock.go_on(float(last), max(0.0, time.time() - float(wall)), time.monotonic())

    def packet(self, arrived: Arrived, notice: str = "") -> Packet:
        """Return the packet of these rows; for none of them it carries the notice alone."""
        rows = len(arrived.values)
        times = arrived.time
        if times is None or not np.isfinite(times).any():
            times = self._clock.stamp(rows, time.monotonic(), backlog=self.backlog) if rows else np.empty(0)
        texts = dict.fromkeys([*arrived.notices, *([notice] if notice else [])])
        return Packet(
            stream=self._stream,
            values=arrived.values,
            time=times,
            wall=float(times[-1]) if rows and times[-1] > EPOCH else None,
            sequence=arrived.sequence,
            lost=self._lost(arrived.sequence),
            notice="; ".join(texts),
        )

    def _lost(self, sequence: NDArray[np.int64] | None) -> int:
        """Count what is missing below the highest count so far; a row out of order counts as lost until it comes."""
        if sequence is None or not len(sequence):
            return 0
        if len(sequence) == 1 and sequence[0] - 1 == self._high:  # one row a message, as it should be
            self._high = int(sequence[0])
            return 0
        high = int(sequence[0]) - 1 if self._high is None else self._high
        if int(sequence.max()) < high - _ANEW:
            high = int(sequence[0]) - 1  # the sender restarted
        ahead = np.unique(sequence[sequence > high])
        if not len(ahead):
            return 0
        self._high = int(ahead[-1])
        return self._high - high - len(ahead)


def notice_of(text: str, channels: int, stream: str = "") -> Packet:
    """Return a packet of no rows that says what went wrong."""
    return Packet(stream=stream, values=np.empty((0, channels), np.float32), time=np.empty(0, np.float64), notice=text)


def digest_of(*parts: str | bytes) -> str:
    """Return a short name of a message."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:20]


class Repeats:
    """Names of the last messages, the oldest forgotten first.

    Args:
        each: messages of a sender that stay known.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._names: OrderedDict[str, deque[str]] = OrderedDict()

    def add(self, sender: str, name: str, maximum: int) -> None:
        """Take the newest message of a sender; at most so many of all senders stay known."""
        self._names.setdefault(sender, deque(maxlen=self._each)).append(name)
        self._names.move_to_end(sender)
        while sum(map(len, self._names.values())) > maximum:
            oldest, names = next(iter(self._names.items()))
            names.popleft()
            if not names:
                del self._names[oldest]

    def known(self, sender: str, name: str) -> bool:
        """Return whether this is one of the last messages of the sender."""
        return name in self._names.get(sender, ())

    def state(self) -> list[list[str]]:
        """Return all of it for `go_on`."""
        return [[sender, name] for sender, names in self._names.items() for name in names]

    def go_on(self, state: Sequence[list[str]]) -> None:
        """Know what an earlier run knew."""
        for sender, name in state:
            self.add(sender, name, len(state))


_UNIT = re.compile(r"^(.*?)\s*[\[(]\s*([^\])]{1,16}?)\s*[\])]\s*$")
_TIME = re.compile(r"(time|timestamp|ts|t)(?:[_ ]?[\[(]?(?:s|ms|us|µs|ns)[\])]?)?", re.IGNORECASE)
_COUNT = re.compile(r"seq|sequence", re.IGNORECASE)
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
                raise SourceError(
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
