"""Rows of one message: JSON, lines of CSV, or frames, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from edgewright.device.sources._csv_lines import LineReader
from edgewright.device.sources._frame_rows import FrameReader
from edgewright.device.sources._json import JsonReader
from edgewright.device.sources._packet import Arrived

Form = Literal["auto", "json", "csv", "framed"]


class PayloadReader:
    """Rows from the messages of one sender; nothing is kept of them but the names of their columns.

    Args:
        wanted: channels that come out, in order; none: all there are.
        name: of the source, for messages.
        form: 'auto' takes a message that holds a zero byte for frames, one that begins with { or [ for JSON, and any
            other for lines of CSV.
        names: of the channels, for messages without names.
        time, sequence: columns with time and count, as `match` takes them.
    """

    def __init__(
        self,
        wanted: Sequence[str],
        *,
        name: str,
        form: Form = "auto",
        names: Sequence[str] = (),
        time: str = "",
        sequence: str = "",
    ) -> None:
        self._form = form
        self._json = JsonReader(wanted, name=name, names=names, time=time, sequence=sequence)
        self._lines = LineReader(wanted, name=name, columns=names, time=time, sequence=sequence)
        self._frames = FrameReader(wanted, name=name, names=names)
        self.columns: tuple[str, ...] = tuple(wanted)
        self.rate: float | None = None

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
        first = reader.feed(message)
        whole = message.endswith(b"\0" if form == "framed" else b"\n")
        last = None if whole else reader.finish()
        self.columns, self.rate = reader.columns or self.columns, reader.rate
        return first if last is None else _joined(first, last)


def _joined(first: Arrived, last: Arrived) -> Arrived:
    notices = (*first.notices, *last.notices)
    one = last if not len(first.values) else first
    if len(first.values) and len(last.values):
        one = Arrived(
            np.concatenate([first.values, last.values]),
            None if first.time is None or last.time is None else np.concatenate([first.time, last.time]),
            None
            if first.sequence is None or last.sequence is None
            else np.concatenate([first.sequence, last.sequence]),
        )
    return Arrived(one.values, one.time, one.sequence, notices)


def _guessed(message: bytes) -> Form:
    if b"\0" in message:
        return "framed"
    return "json" if message.lstrip()[:1] in (b"{", b"[") else "csv"
