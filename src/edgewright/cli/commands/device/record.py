"""`edgewright device record`: labelled recordings from any source, into a folder that `edgewright run` takes."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, declare, option
from edgewright.cli.options import FOLDER, listed
from edgewright.core.errors import CheckFailedError
from edgewright.core.formatting import plural

if TYPE_CHECKING:
    from edgewright.core.records.device import Packet
    from edgewright.device.recording import Recorder, SourceProbe, Take
    from edgewright.device.sources import Stream


_BARS = "▁▂▃▄▅▆▇█"


_POINTS, _CHANNELS, _EVERY, _COUNT_DOWN_S = 48, 12, 0.1, 3


class Live:
    """Draws on standard error; nothing where that is no terminal.

    Args:
        columns: channels.
        rate: rows a second.
        seconds: how long it will be; None: nobody knows.
    """

    def __init__(self, columns: Sequence[str], rate: float, seconds: float | None) -> None:
        self._shown = sys.stderr.isatty()
        self._columns, self._seconds = list(columns)[:_CHANNELS], seconds
        self._more = len(columns) - len(self._columns)
        # One point stands for what came in a tenth of a second: its middle would hide a knock, so the farthest counts.
        self._stride = max(1, round(rate * _EVERY))
        self._points: list[deque[float]] = [deque(maxlen=_POINTS) for _ in self._columns]
        self._rows: list[list[float]] = [[] for _ in self._columns]
        self._lines_on_screen, self._next = 0, 0.0

    def show(self, packet: Packet, done: float) -> None:
        """Take a packet and draw where it is time.

        Args:
            packet: rows that were recorded.
            done: seconds so far.
        """
        if not self._shown:
            return
        for channel, values in enumerate(self._rows):
            values += packet.values[:, channel].tolist()
            while len(values) >= self._stride:
                part, values[:] = values[: self._stride], values[self._stride :]
                known = [value for value in part if not math.isnan(value)]
                middle = sum(known) / len(known) if known else math.nan
                self._points[channel].append(max(known, key=lambda v: abs(v - middle), default=math.nan))
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            self._draw(done, packet.notice)

    def clear(self) -> None:
        """Take the picture away."""
        if self._lines_on_screen:
            click.echo(f"\x1b[{self._lines_on_screen}A\x1b[J", err=True, nl=False)
            self._lines_on_screen = 0

    def _draw(self, done: float, notice: str) -> None:
        of = f" of {self._seconds:g}" if self._seconds is not None else ""
        width = max((len(name) for name in self._columns), default=0)
        lines = [f"{done:6.1f}{of} s  {notice[:60]}"]
        for name, points in zip(self._columns, self._points, strict=True):
            last = f"{points[-1]:10.4g}" if points else ""
            lines.append(f"{name:<{width}}  {bars(points):<{_POINTS}} {last}")
        if self._more > 0:
            lines.append(f"and {self._more} more channels")
        self.clear()
        click.echo("\n".join(lines), err=True)
        self._lines_on_screen = len(lines)


def bars(points: Sequence[float]) -> str:
    """Return numbers as bars between their smallest and largest; a blank where one is missing."""
    known = [point for point in points if not math.isnan(point)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    span = (high - low) or 1.0
    return "".join(
        " " if math.isnan(point) else _BARS[min(len(_BARS) - 1, int((point - low) / span * len(_BARS)))]
        for point in points
    )


def count_down(seconds: int, label: str) -> None:
    """3, 2, 1, on standard error."""
    for left in range(seconds, 0, -1):
        click.echo(f"\r{label} in {left} ...", err=True, nl=False)
        time.sleep(1.0)
    if seconds:
        click.echo(f"\r{label} now{' ' * 12}", err=True)


@declare(example="--source serial:/dev/ttyACM0 --label walking --person 7 --seconds 10")
def command(
    source: str = option(required=True, metavar="KIND:PLACE", help="Source of the rows, as for `device run`."),
    label: str = option(required=True, help="Activity or sound that is recorded."),
    person: str = option(required=True, help="Person or machine; splits keep each one's recordings together."),
    seconds: float | None = option(
        type=click.FloatRange(0.0, 1e6, min_open=True), help="Duration; without it, record until Ctrl-C."
    ),
    out: Path = option(type=FOLDER, default=Path("recordings"), help="Folder of recordings."),
    columns: str = option(metavar="A,B,...", help="Channels, in order; all by default."),
    rate: float | None = option(
        type=click.FloatRange(0.0, 1e6, min_open=True), help="Rows a second, if the source does not say."
    ),
    stream: str = option(help="Stream to record, if the source has several."),
) -> Result:
    """Record rows of a source under a label.

    The recording becomes the next LABEL_PERSON_NNN.csv of the folder. Its label and person go into labels.csv, and a
    first pipeline.toml is written if there is none. With --seconds, Ctrl-C discards the recording; without, Ctrl-C ends
    and keeps it. Exits with 1 if the check finds gaps, another rate or a channel that never changes; the recording is
    kept then too.
    """
    from edgewright.device.recording import Recorder, probe_source, take
    from edgewright.device.sources import short_source

    opened = short_source(source, rate).open(listed(columns))
    recorder: Recorder | None = None
    try:
        probe = probe_source(opened, rate, stream_name=stream)
        recorder = Recorder(out, label=label, person=person, columns=probe.columns, rate=probe.rate)
        if getattr(opened, "live", True):
            click.echo(f"{', '.join(probe.columns)} at {probe.rate:g} Hz", err=True)
            count_down(_COUNT_DOWN_S if sys.stderr.isatty() else 0, label)
            probe = _emptied(opened, probe)
        live = Live(probe.columns, probe.rate, seconds)
        # Without --seconds Ctrl-C is how a recording ends; with it, it goes on to whoever called, and nothing is kept.
        with suppress(*([KeyboardInterrupt] if seconds is None else [])):
            try:
                for packet in take(opened, recorder, probe, seconds=seconds, stream_name=stream):
                    live.show(packet, recorder.seconds)
            finally:
                live.clear()
        result = recorder.keep()
    finally:
        if recorder is not None:
            recorder.drop()
        opened.close()
    return _result(result)


def _emptied(stream: Stream, probe: SourceProbe) -> SourceProbe:
    """Leave out what came while the person got ready."""
    from edgewright.device.sources import read_unstored

    until = time.monotonic() + 1.0
    while read_unstored(stream, 0.0) and time.monotonic() < until:
        pass
    return msgspec.structs.replace(probe, packets=())


def _result(recording: Take) -> Result:
    lines = [f"{recording.file}: {recording.rows:,} rows, {recording.seconds:.1f} s at {recording.rate:.4g} Hz"]
    lines += [f"  corrected: {note}" for note in recording.notes]
    lines += [f"  problem: {problem}" for problem in recording.problems] or ["  no gaps, correct rate"]
    failure = None
    if recording.problems:
        failure = CheckFailedError(
            f"{plural(len(recording.problems), 'problem')} in {recording.file}",
            "The file was kept: delete it and its line in labels.csv, or record again",
        )
    return Result(recording, lines, failure=failure)
