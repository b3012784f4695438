"""Labelled recordings: rows of a source into a folder that `edgewright run` takes, whole or not at all."""

from __future__ import annotations

import csv
import io
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from edgewright.core.errors import CheckFailedError, OutputError, RecordingError
from edgewright.core.files import flush, write_atomic
from edgewright.core.records.device import Packet
from edgewright.device.sources import Stream, read_unstored
from edgewright.device.timeline import Ready, Timeline, TimelineConfig
from edgewright.monitor.sensor_health import Health

SILENT = 10.0
"""Seconds without a row after which a source is given up."""
LOOK = 0.1
"""Seconds that one read of it may wait."""
_FEWEST, _SPAN = 10, 1.0  # rows, and seconds that they span, from which a rate is measured


class SourceProbe(msgspec.Struct, frozen=True, kw_only=True):
    """What a source turned out to be: its channels, rows a second, and the packets that showed it."""

    columns: tuple[str, ...]
    rate: float
    packets: tuple[Packet, ...]


def probe_source(
    stream: Stream, rate: float | None, *, stream_name: str = "", stopped: Callable[[], bool] = lambda: False
) -> SourceProbe:
    """Read until channels and rate are known, and at least a second of a live source where its rate is measured.

    Args:
        stream: just opened.
        rate: that is known already; None measures it where the source does not say it.
        stream_name: the one to listen to, in a source of many; empty: the first that sends.
        stopped: whether nobody waits for it any more.

    Raises:
        InputError: no rows came within ten seconds or until it was stopped, or more than one stream where none is
            named.
    """
    packets: list[Packet] = []
    newest = time.monotonic()
    while True:
        if stopped():
            raise RecordingError(
                "rows from the source", "none until it was stopped", "--source", "Wait for the first rows"
            )
        new = [p for p in read_unstored(stream, LOOK) if not stream_name or p.stream == stream_name]
        packets += new
        newest = time.monotonic() if any(len(p.values) for p in new) else newest
        moments = np.concatenate([np.empty(0), *(p.time for p in packets)])
        known = rate or stream.rate
        spans = len(moments) >= _FEWEST and moments[-1] - moments[0] >= _SPAN
        if len(moments) and (known or spans or stream.ended()):
            break
        if stream.ended() or time.monotonic() - newest > SILENT:
            text = next((p.notice for p in reversed(packets) if p.notice), "none")
            raise RecordingError("rows from the source", text, "--source", "Look at its name and settings")
    names = {p.stream for p in packets if len(p.values)}
    if len(names) > 1:
        raise RecordingError(
            "one stream", f"{len(names)}: {', '.join(sorted(names)[:5])}", "--source", "Name one with --stream"
        )
    if not known:
        steps = np.diff(moments)
        steps = steps[steps > 0]
        if not len(steps):
            raise RecordingError("the rate of the rows", "rows without a time", "--source", "Name it with --rate")
        known = _tidy(1.0 / float(np.median(steps)))
    columns = tuple(getattr(stream, "columns", ()))
    return SourceProbe(columns=columns, rate=float(known), packets=tuple(packets))


def _tidy(rate: float) -> float:
    """Return a measured rate to a whole number where it is within 2 % of one."""
    return float(round(rate)) if round(rate) and abs(rate - round(rate)) < 0.02 * rate else rate


LABELS, PIPELINE, TIME = "labels.csv", "pipeline.toml", "time"
_HEADER = ("file", "label", "group", "session")
STARTER = """\
# Made by `edgewright device record`; it is yours to change. Run it with: edgewright run {file}
name = "{name}"

[data]
kind = "folder"
path = "."
time = "time"
rate = {rate:g}

[window]
samples = {samples}   # about 2 s
step = {step}

# Whole people test, once there are recordings of three or more. Before that: by = "session".
[split]
by = "auto"

[[stages]]
kind = "union"
title = "Features"

[[stages.parts]]
kind = "statistics"

[[stages.parts]]
kind = "spectral"

[[stages]]
kind = "scale"
title = "Scale"
method = "standard"

[[model.layers]]
kind = "dense"
units = 16
activation = "relu"

[training]
epochs = 40
batch = 16
optimiser = "adamw"
learning_rate = 0.005
"""


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """A finished recording.

    Attributes:
        file: that holds it.
        rows, seconds, rate: how much, and rows a second as measured over the whole.
        nominal: rows a second that were expected.
        problems: what the check found: gaps, a wrong rate, channels that stand still.
        notes: what was put right: duplicates left out, single lost rows filled in.
    """

    file: str
    rows: int
    seconds: float
    rate: float
    nominal: float
    problems: tuple[str, ...]
    notes: tuple[str, ...]


class RowWriter:
    """Rows of a source as lines of CSV: seconds since the first row, then the channels.

    Args:
        columns: channels, in order.
        rate: nominal, rows a second.
        opened: returns the file, which is asked for when the first row is there.

    Attributes:
        rows: written ones.
        first, last: their times; `first` is None before there is one.
        health: what was told of them.
    """

    def __init__(self, columns: Sequence[str], rate: float, opened: Callable[[], IO[str]]) -> None:
        self._columns, self._rate, self._opened = columns, rate, opened
        self._timeline = Timeline(rate, columns, TimelineConfig())
        self._seconds: float | None = None
        self._over = False
        self.health: list[Health] = []
        self.first: float | None = None
        self.last, self.rows = 0.0, 0

    @property
    def seconds(self) -> float:
        """How long it is, one period for the last row included."""
        return self.last - self.first + 1.0 / self._rate if self.first is not None else 0.0

    def push(self, packet: Packet, seconds: float | None = None) -> bool:
        """Write a packet, up to so many seconds of rows, and return whether they are as long as they shall be."""
        self._seconds = seconds
        return self._take(self._timeline.push(packet))

    def finish(self) -> None:
        """Write the row that waits for the next one, which shows whether its time is right: there is none."""
        self._take(self._timeline.flush())

    def _take(self, given: tuple[list[Ready], list[Health]]) -> bool:
        ready, health = given
        self.health += health
        for piece in ready:
            # What comes after the end is not written: the first piece that reaches it is the last.
            self._over = self._over or self._write(piece)
        return self._over

    def _write(self, ready: Ready) -> bool:
        moments, seconds = ready.time, self._seconds
        file = self._opened()
        if self.first is None:
            self.first = float(moments[0])
            file.write(_line((TIME, *self._columns)))
        end = len(moments)
        if seconds is not None:
            # Half a period of room, so that ten seconds at 50 Hz are 500 rows however the clock rounds.
            end = int(np.searchsorted(moments, self.first + seconds - 0.5 / self._rate))
        for row, moment in zip(ready.values[:end].tolist(), moments[:end].tolist(), strict=True):
            cells = ["" if math.isnan(cell) else f"{cell:.9g}" for cell in row]
            file.write(f"{moment - self.first:.6f},{','.join(cells)}\n")
        if end:
            self.last, self.rows = float(moments[end - 1]), self.rows + end
        return end < len(moments) or (seconds is not None and self.seconds >= seconds - 0.5 / self._rate)


class Recorder:
    """One recording that is being taken. Rows lie in a hidden file until `keep`; nothing else is touched before.

    Args:
        folder: where recordings lie; made when it is not there.
        label, person: of all rows.
        columns: channels, in order.
        rate: nominal, rows a second.

    Raises:
        InputError: for a label or person that is no name, or a channel called `time`.
    """

    def __init__(self, folder: Path, *, label: str, person: str, columns: Sequence[str], rate: float) -> None:
        for option, text in (("label", label), ("person", person)):
            if not text.strip() or len(text) > 100 or any(ord(c) < 32 for c in text):
                raise RecordingError(f"a {option} of 1 to 100 characters on one line", repr(text[:40]), f"--{option}")
        if TIME in columns:
            raise RecordingError("channels of other names", TIME, "--columns", "It is the name of the column of times")
        self._folder, self._label, self._person = folder, label.strip(), person.strip()
        self.rate, self._hidden = rate, ""
        self._file: IO[str] | None = None
        self._rows = RowWriter(tuple(columns), rate, self._opened)

    @property
    def seconds(self) -> float:
        """How long it is, one period for the last row included."""
        return self._rows.seconds

    def push(self, packet: Packet, seconds: float | None = None) -> bool:
        """Take a packet, up to so many seconds of rows.

        Returns:
            Whether the recording is as long as it shall be.
        """
        return self._rows.push(packet, seconds)

    def keep(self) -> Take:
        """Give the recording its name, the next number for its label and person, and note it in labels.csv.

        Raises:
            OutputError: the folder cannot be written.
            CheckFailedError: there are no rows.
        """
        written = self._rows
        try:
            written.finish()
            file = self._file
            if file is None or not written.rows:
                raise CheckFailedError("nothing was recorded: no rows came")
            flush(file)
            file.close()
            name = self._linked()
            self._note(name)
            self._starter()
        except OSError as error:
            raise OutputError("to write the recording", error.strerror or str(error), str(self._folder)) from None
        finally:
            self.drop()
        lasted = written.last - (written.first or 0.0)
        measured = (written.rows - 1) / lasted if written.rows > 1 else self.rate
        bad = ("gap", "clock", "rate", "stuck", "missing", "lost", "source")
        return Take(
            file=str(self._folder / name),
            rows=written.rows,
            seconds=written.seconds,
            rate=measured,
            nominal=self.rate,
            problems=tuple(h.text + self._at(h) for h in written.health if h.kind in bad),
            notes=tuple(h.text for h in written.health if h.kind not in (*bad, "well")),
        )

    def drop(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._hidden:
            Path(self._hidden).unlink(missing_ok=True)
            self._hidden = ""

    def _at(self, health: Health) -> str:
        after = health.time - (self._rows.first or 0.0)
        return f" at {after:.1f} s" if after > 0 else ""

    def _opened(self) -> IO[str]:
        if self._file is None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                handle, self._hidden = tempfile.mkstemp(prefix=".recording.", dir=self._folder)
            except OSError as error:
                raise OutputError("a folder to write to", error.strerror or str(error), str(self._folder)) from None
            self._file = os.fdopen(handle, "w", encoding="utf-8")
        return self._file

    def _linked(self) -> str:
        """Give the hidden file the next free name. A link, unlike a rename, never takes another file's place."""
        stem = f"{_plain(self._label)}_{_plain(self._person)}"
        numbers = [
            int(m[1]) for f in self._folder.iterdir() if (m := re.fullmatch(rf"{re.escape(stem)}_(\d+)\..+", f.name))
        ]
        number = max(numbers, default=0) + 1
        Path(self._hidden).chmod(0o644)
        while True:
            name = f"{stem}_{number:03d}.csv"
            try:
                os.link(self._hidden, self._folder / name)
            except FileExistsError:
                number += 1
                continue
            return name

    def _note(self, name: str) -> None:
        file = self._folder / LABELS
        before = file.read_text(encoding="utf-8") if file.is_file() else _line(_HEADER)
        header = next(csv.reader(io.StringIO(before)), [])
        given = {"file": name, "label": self._label, "group": self._person, "person": self._person}
        given["session"] = name.removesuffix(".csv")
        if before and not before.endswith("\n"):
            before += "\n"
        write_atomic(file, (before + _line([given.get(column.strip().lower(), "") for column in header])).encode())

    def _starter(self) -> None:
        file = self._folder / PIPELINE
        if any(self._folder.glob("*.toml")):
            return
        samples = max(2, 2 * round(self.rate))
        name = _plain(self._folder.resolve().name) or "recordings"
        text = STARTER.format(file=file, name=name, rate=self.rate, samples=samples, step=max(1, samples // 2))
        write_atomic(file, text.encode())


def take(
    stream: Stream, recorder: Recorder, probe: SourceProbe, *, seconds: float | None, stream_name: str = ""
) -> Iterator[Packet]:
    """Record until it is as long as it shall be; every packet is given on, for whoever shows it.

    Args:
        stream: the source.
        recorder: takes the rows.
        probe: its packets are recorded first; pass those of a live source without them.
        seconds: None records until the source ends or the caller stops asking.
        stream_name: the one to record, in a source of many.

    Raises:
        CheckFailedError: the source ended or fell silent before the time was over.
    """
    came = time.monotonic()
    waiting = list(probe.packets)
    while True:
        for packet in waiting:
            if stream_name and packet.stream != stream_name:
                continue
            if len(packet.values):
                came = time.monotonic()
            done = recorder.push(packet, seconds)
            yield packet
            if done:
                return
        if stream.ended():
            if seconds is None:
                return
            raise CheckFailedError(
                f"expected {seconds:g} s of rows, got {recorder.seconds:.3g} s: the source ended; nothing was kept"
            )
        if time.monotonic() - came > SILENT:
            raise CheckFailedError(f"no rows for {SILENT:g} s: nothing was kept", "Look at the source")
        waiting = list(read_unstored(stream, LOOK))


def _plain(text: str) -> str:
    """Return a name that file systems and `{label}_{person}_{index}` take: letters, digits, point and hyphen."""
    return re.sub(r"[^0-9A-Za-zÀ-ɏ.-]+", "-", text).strip("-.") or "x"


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    with suppress(csv.Error):
        csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
