"""Rows of one message: JSON, lines of CSV, or frames, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from edgewright.device.sources import RowSettings
from edgewright.device.sources._csv_lines import LineReader
from edgewright.device.sources._frame_rows import FrameReader
from edgewright.device.sources._json import JsonReader
from edgewright.device.sources._packet import Arrived, joined
from edgewright.schema.data import Column

Form = Literal["auto", "json", "csv", "framed"]


class MessageSettings(RowSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a source of messages.

    Attributes:
        form: of the messages; 'auto' takes one that holds a zero byte for frames, one that begins with { or [ for
            JSON, and any other for lines of CSV.
        names: of the numbers of messages without names.
        largest: bytes of a message; a longer one is not taken.
        streams: most streams at once.
    """

    form: Form = "auto"
    names: tuple[str, ...] = ()
    largest: Annotated[int, msgspec.Meta(ge=16, le=1 << 26)] = 1 << 20
    streams: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000


class PayloadReader:
    """Rows from the messages of one sender; nothing is kept of them but the names of their columns.

    Args:
        wanted: channels that come out, in order; none: all there are.
        name: of the source, for messages.
        config: of the source.
    """

    def __init__(self, wanted: Sequence[str], name: str, config: MessageSettings) -> None:
        self._form = config.form
        names, time, sequence = config.names, config.time, config.sequence
        self._json = JsonReader(wanted, name=name, names=names, time=time, sequence=sequence)
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
