"""What a source turns out to be: its channels and its rate, before anything is done with its rows."""

from __future__ import annotations

import time

import msgspec
import numpy as np

from edgewright.device.sources import Stream
from edgewright.schema.device import Packet
from edgewright.schema.errors import InputError

SILENT = 10.0
"""Seconds without a row after which a source is given up."""
LOOK = 0.1
"""Seconds that one read of it may wait."""
_FEWEST = 10  # rows from which a rate is measured


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a source turned out to be: its channels, rows a second, and the packets that showed it."""

    columns: tuple[str, ...]
    rate: float
    packets: tuple[Packet, ...]


def listen(stream: Stream, rate: float | None, *, seconds: float = 1.0, stream_name: str = "") -> Heard:
    """Reads until channels and rate are known, and at least so many seconds of a live source.

    Args:
        stream: just opened.
        rate: that is known already; None measures it where the source does not say it.
        seconds: that rows must span where the rate is measured.
        stream_name: the one to listen to, in a source of many; empty: the first that sends.

    Raises:
        InputError: no rows came within ten seconds, or more than one stream where none is named.
    """
    packets: list[Packet] = []
    heard = time.monotonic()
    while True:
        new = [p for p in stream.read(LOOK) if not stream_name or p.stream == stream_name]
        packets += new
        heard = time.monotonic() if any(len(p.values) for p in new) else heard
        moments = np.concatenate([np.empty(0), *(p.time for p in packets)])
        known = rate or stream.rate
        spans = len(moments) >= _FEWEST and moments[-1] - moments[0] >= seconds
        if len(moments) and (known or spans or stream.ended()):
            break
        if stream.ended() or time.monotonic() - heard > SILENT:
            said = next((p.notice for p in reversed(packets) if p.notice), "none")
            raise InputError("rows from the source", said, "--source", "Look at its name and settings")
    names = {p.stream for p in packets if len(p.values)}
    if len(names) > 1:
        raise InputError(
            "one stream", f"{len(names)}: {', '.join(sorted(names)[:5])}", "--source", "Name one with --stream"
        )
    if not known:
        steps = np.diff(moments)
        steps = steps[steps > 0]
        if not len(steps):
            raise InputError("the rate of the rows", "rows without a time", "--source", "Name it with --rate")
        known = _tidy(1.0 / float(np.median(steps)))
    columns = tuple(getattr(stream, "columns", ()))
    return Heard(columns=columns, rate=float(known), packets=tuple(packets))


def _tidy(rate: float) -> float:
    """A measured rate to a whole number where it is within 2 % of one."""
    return float(round(rate)) if round(rate) and abs(rate - round(rate)) < 0.02 * rate else rate
