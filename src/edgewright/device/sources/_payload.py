"""Rows of one message: JSON, lines of CSV, or frames, whichever it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, SourceDataError
from edgewright.core.records.data import Column, Floats
from edgewright.device.frames import FrameDecoder, Hello, Unwrapped
from edgewright.device.sources import RowSettings
from edgewright.device.sources._csv_lines import LineReader
from edgewright.device.sources._packet import (
    NO_COLUMN,
    Arrived,
    Match,
    TimeColumn,
    bare,
    clock_named,
    clock_unit,
    joined,
    match,
    refuse_missing,
)


class FrameReader:
    """Rows from bytes of frames, however they are cut.

    Columns are those of the sender's hello; before it came, `names`, or what is wanted where it has as many.

    Args:
        wanted: channels that come out, in order; none: all there are.
        name: name of the source, for messages.
        names: of the channels, for a sender that does not name them.
        joined: whether the first frame may have begun before it was listened to.

    Attributes:
        columns: channels that come out; empty until they are known.
        rate: rows a second as the sender says; None while it does not.
    """

    def __init__(self, wanted: Sequence[str], *, name: str, names: Sequence[str] = (), joined: bool = False) -> None:
        self._wanted, self._name = tuple(wanted), name
        self._joined = joined
        self._decoder, self._count = FrameDecoder(joined=joined), Unwrapped()
        self._damaged = 0
        self._given: tuple[str, ...] = ()
        self._match: Match | None = None
        self._notices: list[str] = []
        self._width = 0
        self.rate: float | None = None
        self.columns = self._wanted
        if names:
            self._named(tuple(names))

    def restart(self) -> None:
        """Forget half a frame: the line was unplugged."""
        self._decoder = FrameDecoder(joined=self._joined)
        self._damaged = 0

    def feed(self, data: bytes) -> Arrived:
        """Return the rows of the frames that these bytes complete."""
        parts: list[Arrived] = []
        for frame in self._decoder.feed(data):
            if isinstance(frame, Hello):
                self.rate = frame.rate
                if frame.columns != self._given:
                    self._named(frame.columns)
            elif (values := self._chosen(frame.values)) is not None:
                low = int(frame.sequence[0])
                parts.append(Arrived(values, frame.time, frame.sequence + (self._count(low) - low)))
        damaged, self._damaged = self._decoder.damaged - self._damaged, self._decoder.damaged
        if damaged:
            self._notices.append(f"{damaged} damaged frame{'s' if damaged > 1 else ''}")
        notices, self._notices = tuple(dict.fromkeys(self._notices)), []
        return joined(parts, len(self.columns), notices)

    def finish(self) -> Arrived:
        """Return a frame whose closing zero was left out, as at the end of a message."""
        return self.feed(b"\0")

    def _named(self, given: tuple[str, ...]) -> None:
        self._given = given
        try:
            self._match = match(given, self._wanted, self._name, time=NO_COLUMN, sequence=NO_COLUMN)
        except InputError as error:
            self._match = None
            self._notices.append(str(error))
            return
        self.columns = self._match.names
        if self._match.missing:
            self._notices.append(self._match.notice)

    def _chosen(self, values: Floats) -> Floats | None:
        """Return the wanted channels of a frame; None where it is not known which they are."""
        channels = values.shape[1]
        if self._match is None and not self._given:
            if self._wanted and len(self._wanted) != channels:
                if channels != self._width:
                    self._notices.append(f"{channels} channels, expected {len(self._wanted)}: waiting for their names")
                self._width = channels
                return None
            self._named(self._wanted or tuple(f"c{i + 1}" for i in range(channels)))
            self._given = ()
        columns = self._match
        if columns is None:
            return None
        if channels <= max(columns.places, default=0):
            if channels != self._width:
                self._notices.append(f"frames of {channels} channels, which are fewer than the columns")
            self._width = channels
            return None
        return columns.chosen(len(values), lambda index: values[:, index])


_FORMS = 'an object {"acc_x": 1}, a list of them, {"acc_x": [1, 2]} or {"columns": [...], "rows": [[...]]}'
_MOST_COLUMNS = 4096
_LARGEST = float(np.finfo(np.float32).max)


class JsonReader:
    """Rows from JSON texts of one sender.

    Args:
        wanted: channels that come out, in order; none: those of the first text.
        name: name of the source, for messages.
        names: of the numbers, for lists without names.
        time, sequence: columns with time and count, as `match` takes them.
        quality, good: as in `MessageSettings`.

    Attributes:
        columns: channels that come out; empty until they are known.
    """

    def __init__(
        self, wanted: Sequence[str], *, name: str, names: Sequence[str] = (), time: str = "", sequence: str = "",
        quality: str = "", good: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._quality, self._good = quality, frozenset(text.lower() for text in good)
        self.columns = tuple(wanted)
        self._wanted, self._name, self._names = tuple(wanted), name, tuple(names)
        self._time, self._sequence = time, sequence
        self._clocks: dict[str, TimeColumn] = {}
        self._trained: tuple[Column, ...] = ()

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take the column of times that packages name, and its unit."""
        self._trained = tuple(columns)

    def read(self, text: bytes) -> Arrived:
        """Return the rows of one text; a missing key or null is a missing value.

        Raises:
            InputError: for what is no JSON or no rows, and where no wanted column is there.
        """
        try:
            given = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SourceDataError("JSON", str(error), self._name) from None
        names, rows = self._table(given)
        names, rows, is_good = self._usable(names, rows)
        time = self._time or clock_named(self._trained, self._wanted, names)
        columns = match(names, self._wanted, self._name, time=time, sequence=self._sequence)
        if len(columns.missing) == len(columns.names):
            refuse_missing(columns, names, self._name)
        if not self._wanted:
            # What the first text calls its columns holds for all: a channel does not change its place.
            self._wanted = self.columns = columns.names
        values = columns.chosen(
            len(rows), lambda index: [self._number(row[index], names[index], _LARGEST) for row in rows]
        )
        values[~is_good] = np.nan
        times, odd = self._moments(rows, names, columns.time)
        notices = tuple(notice for notice in (columns.notice, odd) if notice)
        return Arrived(values, times, self._counts(rows, columns.sequence), notices)

    def _table(self, given: Any) -> tuple[list[str], list[list[Any]]]:  # noqa: ANN401 - whatever JSON holds
        """Return names and rows of cells, None where a row lacks one."""
        if isinstance(given, dict) and isinstance(given.get("rows"), list):
            columns = given.get("columns")
            names = list(columns) if isinstance(columns, list) else self._without_names(given["rows"])
            return self._equal(names, given["rows"])
        if isinstance(given, dict) and given and all(isinstance(value, list) for value in given.values()):
            columns = list(given.values())
            if len({len(column) for column in columns}) > 1:
                raise SourceDataError("columns of one length", "others", self._name)
            return self._equal(list(given), [list(row) for row in zip(*columns, strict=True)])
        rows = given if isinstance(given, list) and given and isinstance(given[0], dict | list) else [given]
        if rows and all(isinstance(row, dict) for row in rows):
            keys = list(dict.fromkeys(name for row in rows for name in row))
            return self._equal(keys, [[row.get(key) for key in keys] for row in rows])
        if rows and all(isinstance(row, list) for row in rows):
            return self._equal(self._without_names(rows), rows)
        raise SourceDataError(f"rows: {_FORMS}", "something else", self._name)

    def _usable(self, names: list[str], rows: list[list[Any]]) -> tuple[list[str], list[list[Any]], NDArray[np.bool_]]:
        """Return names and rows without the column of the quality, and whether each row is good."""
        lowered = [name.lower() for name in names]
        wanted = (self._quality or QUALITY).lower()
        if wanted not in lowered:
            # Rows of a sender that is to give the quality, and does not, are not known to be good.
            is_good = np.full(len(rows), self._quality in ("", NO_COLUMN))
            return names, rows, is_good
        index = lowered.index(wanted)
        cells = [row[index] for row in rows]
        is_channel = any(bare(name) == bare(names[index]) for name in self._wanted)
        if not self._quality and (is_channel or not any(isinstance(cell, str) for cell in cells)):
            return names, rows, np.ones(len(rows), bool)
        good = np.array([self._is_good(cell) for cell in cells], bool)
        return [*names[:index], *names[index + 1 :]], [[*row[:index], *row[index + 1 :]] for row in rows], good

    def _is_good(self, cell: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
        if self._good:
            return str(cell).lower() in self._good
        if isinstance(cell, bool | None):
            return cell is True
        if isinstance(cell, str):
            return not cell.lower().startswith(NOT_GOOD)
        # 0 is bad in OPC DA and Sparkplug, and good in OPC UA.
        do = "Name the good ones: good=192"
        raise SourceDataError("a text", repr(str(cell)[:40]), f"{self._name}, column {self._quality[:60]}", do)

    def _without_names(self, rows: list[Any]) -> list[str]:
        width = len(rows[0]) if rows and isinstance(rows[0], list) else 0
        known = self._names or self._wanted
        if len(known) != width:
            raise SourceDataError(f"{len(known)} numbers, or names for them", f"{width} numbers", self._name)
        return list(known)

    def _equal(self, names: list[Any], rows: list[Any]) -> tuple[list[str], list[list[Any]]]:
        if not names or len(names) > _MOST_COLUMNS or not all(isinstance(name, str) and name for name in names):
            raise SourceDataError("names of the columns", "none, or too many", self._name)
        for row in rows:
            if not isinstance(row, list) or len(row) != len(names):
                raise SourceDataError(f"rows of {len(names)} cells", "another row", self._name)
        return names, rows

    def _number(self, cell: Any, name: str, largest: float = math.inf) -> float:  # noqa: ANN401
        if cell is None:
            return math.nan
        if isinstance(cell, bool | int | float):
            try:
                number = float(cell)
            except OverflowError:
                number = math.inf
            if abs(number) <= largest:
                return number
        shown = str(cell)[:40]
        raise SourceDataError("a number", repr(shown), f"{self._name}, column {name[:60]}")

    def _moments(self, rows: list[list[Any]], names: list[str], index: int) -> tuple[NDArray[np.float64] | None, str]:
        """Return seconds of the rows, and what is to be told of cells that are no dates."""
        if index < 0 or not rows:
            return None, ""
        cells, name = [row[index] for row in rows], names[index]
        # A name that a sender makes up for every message must not fill memory.
        if len(self._clocks) > 8:
            self._clocks.clear()
        clock = self._clocks.setdefault(name, TimeColumn(name, clock_unit(self._trained, self._wanted, name)))
        if isinstance(cells[0], str):
            return clock.of_texts([cell if isinstance(cell, str) else "" for cell in cells])
        return clock.seconds(np.array([self._number(cell, name) for cell in cells], np.float64)), ""

    def _counts(self, rows: list[list[Any]], index: int) -> NDArray[np.int64] | None:
        cells = [row[index] for row in rows] if index >= 0 else []
        if not cells or not all(isinstance(cell, int) and abs(cell) < 1 << 53 for cell in cells):
            return None
        return np.array(cells, np.int64)


Form = Literal["auto", "json", "csv", "framed"]


QUALITY = "quality"
NOT_GOOD = ("bad", "uncertain", "stale")
"""Beginnings of texts of a quality, such as BadSensorFailure or Uncertain_LastUsableValue of OPC UA."""


class MessageSettings(RowSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a source of messages.

    Attributes:
        form: of the messages; 'auto' takes one that holds a zero byte for frames, one that begins with { or [ for
            JSON, and any other for lines of CSV.
        names: of the numbers of messages without names.
        largest: bytes of a message; a longer one is not taken.
        streams: most streams at once.
        quality: of JSON, the key with the quality of a row; the values of a row that is not good are missing. A key
            `quality` with texts counts by default; '-' for none.
        good: qualities of good rows, as texts, such as 192; by default true and all texts but those that begin with
            bad, uncertain or stale.
    """

    quality: str = ""
    good: tuple[str, ...] = ()
    form: Form = "auto"
    names: tuple[str, ...] = ()
    largest: Annotated[int, msgspec.Meta(ge=16, le=1 << 26)] = 1 << 20
    streams: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000


class PayloadReader:
    """Rows from the messages of one sender; nothing is kept of them but the names of their columns.

    Args:
        wanted: channels that come out, in order; none: all there are.
        name: name of the source, for messages.
        config: of the source.
    """

    def __init__(self, wanted: Sequence[str], name: str, config: MessageSettings) -> None:
        self._form = config.form
        names, time, sequence = config.names, config.time, config.sequence
        if config.quality not in ("", NO_COLUMN) and config.form in ("csv", "framed"):
            raise SourceDataError("messages of JSON, with a quality", config.form, name)
        self._json = JsonReader(
            wanted, name=name, names=names, time=time, sequence=sequence, quality=config.quality, good=config.good
        )
        self._lines = LineReader(wanted, name=name, columns=names, time=time, sequence=sequence)
        self._frames = FrameReader(wanted, name=name, names=names)
        self.columns: tuple[str, ...] = tuple(wanted)
        self.rate: float | None = None

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written in lines."""
        self._lines.read_as(columns)
        self._json.read_as(columns)

    def read(self, message: bytes) -> Arrived:
        """Return the rows of one message.

        Raises:
            InputError: for JSON that is none, or holds no rows.
        """
        form = _guessed(message) if self._form == "auto" else self._form
        if form == "json":
            arrived = self._json.read(message)
            self.columns = self._json.columns
            return arrived
        reader = self._lines if form == "csv" else self._frames
        parts = [reader.feed(message)]
        if not message.endswith(b"\0" if form == "framed" else b"\n"):
            parts.append(reader.finish())
        self.columns, self.rate = reader.columns or self.columns, reader.rate
        return joined(parts, len(reader.columns), tuple(notice for part in parts for notice in part.notices))


def _guessed(message: bytes) -> Form:
    if b"\0" in message:
        return "framed"
    return "json" if message.lstrip()[:1] in (b"{", b"[") else "csv"
