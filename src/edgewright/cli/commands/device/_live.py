"""What a recording looks like while it is taken: a line a channel, drawn again and again. Plain ANSI, on a terminal."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgewright.schema.device import Packet

_BARS = "▁▂▃▄▅▆▇█"
_POINTS, _CHANNELS, _EVERY = 48, 12, 0.1


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
