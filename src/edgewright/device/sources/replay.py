"""A recording played again, at its own pace or as fast as it can be read; the same rows give the same packets."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import unit_spelled
from edgewright.core.csv.blocks import blocks
from edgewright.core.csv.header import opening_of, read_header, records
from edgewright.core.csv.rows import Rows, iter_csv
from edgewright.core.errors import InputError, SourceDataError
from edgewright.core.formatting import is_number
from edgewright.core.records.data import Column, Floats
from edgewright.core.records.device import Packet
from edgewright.device.sources import RowSettings, Stream, StreamKind
from edgewright.device.sources._csv_place import ends_of
from edgewright.device.sources._packet import (
    EPOCH,
    Match,
    TimeColumn,
    clock_among,
    clock_named,
    clock_unit,
    digest_of,
    match,
    refuse_missing,
    with_categories,
)

_SUFFIXES = (".csv", ".csv.gz", ".csv.xz")
_LABELS = "labels.csv"
_ROWS = 1024  # in a packet at full speed
PAUSE = 10.0
"""Seconds between the last row of a recording and the first of the next: no window reaches over it."""


class ReplayConfig(RowSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a replay.

    Attributes:
        path: a CSV file (also .gz and .xz), or a folder of them, played in the order of their names.
        speed: 1 is the recording's own pace, 10 ten times that, 0 as fast as it can be read.
        rate: rows a second, for recordings without a time; with a time it says what is expected.
        repeat: how often the whole is played.
    """

    path: str
    speed: Annotated[float, msgspec.Meta(ge=0.0, le=1e6)] = 0.0
    repeat: Annotated[int, msgspec.Meta(ge=1)] = 1


class Replay(Stream):
    """An open replay.

    Attributes:
        untimed: whether its rows have neither a time nor a rate; they are then a second apart.

    Raises:
        InputError: no such file, no column of that name, or neither a time nor a rate to keep pace with.
    """

    def __init__(self, config: ReplayConfig, columns: tuple[str, ...]) -> None:
        self.rate = config.rate
        self.live = bool(config.speed)
        self._config, self._wanted = config, columns
        self._trained: Sequence[Column] = ()
        self._files = files = _files(Path(config.path))
        self._first = self._opened(files[0])
        self.columns = self._first[1].names
        self.untimed = self._first[1].time < 0 and not config.rate
        if config.speed and self._first[1].time < 0 and not config.rate:
            raise SourceDataError(
                "a time column or a rate to keep pace with", "neither", config.path, "Set rate, or speed = 0"
            )
        self.origin, self.loses = str(Path(config.path).absolute()), ""
        self._given = self._skipped = 0
        # A recording that grew, shrank or was made of other files is another one.
        self._whole = [[file.name, file.stat().st_size] for file in files]
        self._ends = digest_of(*map(ends_of, files))
        self._packets = self._play(files * config.repeat)
        self._next_packet: Packet | None = None
        self._start: tuple[float, float] | None = None
        self._done = False
        self._end: float | None = None

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written; a file with another unit is refused when it is read."""
        self._trained = columns
        self._first = self._opened(self._files[0])
        self.untimed = self._first[1].time < 0 and not self.rate

    def position(self) -> dict[str, Any]:
        """Return how many rows were given, and what tells the recording from another one."""
        self.reached = f"row {self._given:,}"
        return {"rows": self._given, "whole": self._whole, "ends": self._ends}

    def resume(self, position: dict[str, Any]) -> bool:
        """Pass over the rows that were given, where the recording is the same."""
        if position["whole"] != self._whole or position.get("ends", self._ends) != self._ends:
            return False
        self._skipped = int(position["rows"])
        return True

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return the next rows: at full speed a block of them, else those whose time has come."""
        packets = self._next(timeout)
        self._given += sum(len(packet.values) for packet in packets)
        return packets

    def _next(self, timeout: float) -> Sequence[Packet]:
        while self._given < self._skipped:
            packet = next(self._packets, None)
            if packet is None:
                break
            passed = min(len(packet.values), self._skipped - self._given)
            self._given += passed
            if passed < len(packet.values):
                self._next_packet = _part(packet, passed, len(packet.values))
        if self._next_packet is None:
            self._next_packet = next(self._packets, None)
            if self._next_packet is None:
                self._done = True
                return []
        if not self._config.speed:
            packet, self._next_packet = self._next_packet, None
            return [packet]
        return self._due(timeout)

    def _due(self, timeout: float) -> Sequence[Packet]:
        packet = self._next_packet
        if packet is None:
            return []
        until = time.monotonic() + timeout
        if self._start is None:
            self._start = (time.monotonic(), float(packet.time[0]))
        begun, first = self._start
        moments = begun + (packet.time - first) / self._config.speed
        while True:
            now = time.monotonic()
            rows = int(np.searchsorted(moments, now, side="right"))
            if rows:
                self._next_packet = _part(packet, rows, len(moments)) if rows < len(moments) else None
                return [_part(packet, 0, rows)]
            if now >= until:
                return []
            time.sleep(max(0.0, min(until, float(moments[0])) - now))

    def ended(self) -> bool:
        """Return whether the last row was given."""
        return self._done

    def close(self) -> None:
        """Close the file that is being read."""
        self._done, self._next_packet = True, None
        self._packets.close()

    def _play(self, files: Sequence[Path]) -> Generator[Packet, None, None]:
        for number, file in enumerate(files):
            rows, columns = self._first if not number else self._opened(file)
            try:
                yield from self._recording(rows, columns, file)
            except InputError as error:
                raise _of_replay(error, file, columns) from None

    def _opened(self, file: Path) -> tuple[Iterator[Rows], Match]:
        """Return the rows of a file, and where its columns stand."""
        given, row = _beginning(file)
        cells = len(given)
        given = with_categories(given, self._wanted)
        time = self._config.time or clock_named(self._trained, self._wanted, given)
        columns = match(given, self._wanted, file.name, time=time, sequence=self._config.sequence)
        refuse_missing(columns, given, file.name)
        special = [given[index] for index in (columns.time, columns.sequence) if index >= 0]
        as_read = columns.time >= 0 and columns.time not in columns.places and len(row) == cells
        dates = as_read and bool(row[columns.time]) and not is_number(row[columns.time])
        rows = iter_csv(
            file,
            name=file.name,
            only_columns=[*(given[index] for index in columns.places), *special],
            text_columns=special[:1] if dates else (),
            float64_columns=special[1:] if dates else special,
            trained=[column for column in self._trained if column != clock_among(self._trained, self._wanted)],
        )
        return rows, columns

    def _recording(self, rows: Iterator[Rows], chosen: Match, file: Path) -> Iterator[Packet]:
        clock: TimeColumn | None = None
        offset: float | None = None
        count = 0
        for block in rows:
            columns = with_categories(block.columns, self._wanted)
            given = [columns[index] for index in chosen.places]
            values = block.matrix(given)
            name = block.columns[chosen.time] if chosen.time >= 0 else ""
            stated = unit_spelled(block.header.units.get(name, ""))
            clock = clock or TimeColumn(name, stated or clock_unit(self._trained, self._wanted, name))
            if name in block.text:
                times = clock.of_texts(block.text[name].tolist())[0]
            elif name:
                times = clock.seconds(block.wide[name])
            else:
                times = np.arange(count, count + len(values)) / (self.rate or 1.0)
            count += len(values)
            if not np.isfinite(times).all():
                row = int(np.flatnonzero(~np.isfinite(times))[0])
                got = repr(str(block.text[name][row])) if name in block.text and block.text[name][row] else "none"
                raise SourceDataError(
                    "a time in every row: seconds, or a date such as 2026-11-20T13:00:00",
                    got,
                    f"{file.name} line {block.lines[row]}, column {name}",
                    "Write every time so, or set time=- and a rate",
                )
            if offset is None:
                # The first recording keeps its own time; the next ones follow it, so that time never falls back.
                offset = 0.0 if self._end is None or times[0] > self._end + PAUSE else self._end + PAUSE - times[0]
            counts = None
            if chosen.sequence >= 0:
                counts = block.wide[block.columns[chosen.sequence]].astype(np.int64)
            self._end = float(times.max()) + offset
            yield from _cut(values, times + offset, counts)


def _of_replay(error: InputError, file: Path, columns: Match) -> InputError:
    """Return a cell that is no number, with what a replay can do about it."""
    if error.expected != "a number" or not error.do.startswith("Correct or empty"):
        return error
    column = error.where.rpartition("column ")[2]
    if columns.time >= 0 and column == _beginning(file)[0][columns.time]:
        return SourceDataError("seconds in every row, or dates in every row", error.got, error.where)
    if np.isfinite(TimeColumn("").of_texts([error.got.strip("'")])[0]).all():
        do = f"If it is the time of the rows, set time={column}; a column of dates is not a channel"
        return InputError(error.expected, f"the date {error.got}", error.where, do, code=error.code)
    return InputError(
        error.expected, error.got, error.where, "Correct or empty the cell, or leave the column out", code=error.code
    )


def _cut(values: Floats, times: NDArray[np.float64], counts: NDArray[np.int64] | None) -> Iterator[Packet]:
    for start in range(0, len(values), _ROWS):
        part = slice(start, start + _ROWS)
        moment = times[part]
        yield Packet(
            values=values[part],
            time=moment,
            wall=float(moment[-1]) if moment[-1] > EPOCH else None,
            sequence=None if counts is None else counts[part],
        )


def _part(packet: Packet, start: int, end: int) -> Packet:
    return Packet(
        values=packet.values[start:end],
        time=packet.time[start:end],
        wall=float(packet.time[end - 1]) if packet.wall is not None else None,
        sequence=None if packet.sequence is None else packet.sequence[start:end],
    )


def _beginning(file: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return names of a file's columns, without the one of row numbers, and the cells of its first row."""
    header, rest = read_header(opening_of(blocks(file, file.name)), file.name)
    _, cells = next(records(rest, header.delimiter, file.name), (0, [""] * len(header.names)))
    named = [index for index, name in enumerate(header.names) if name]
    return tuple(header.names[index] for index in named), [cells[index] for index in named if index < len(cells)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    recordings = sorted(p for p in path.rglob("*") if p.name.endswith(_SUFFIXES) and p.name != _LABELS and p.is_file())
    if not recordings:
        raise SourceDataError("at least one CSV file", "none", str(path))
    return recordings


def _open(config: ReplayConfig, columns: tuple[str, ...]) -> Stream:
    if not config.path:
        raise SourceDataError("the path of a recording", "none", "--source replay:", "Name it: replay:FILE")
    return Replay(config, columns)


STREAM = StreamKind(config=ReplayConfig, open=_open, example="replay:recording.csv?speed=1")
