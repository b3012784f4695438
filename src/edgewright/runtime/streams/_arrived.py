"""Rows as a reader found them, and the packet they become."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.runtime.streams._times import EPOCH, ArrivalClock
from edgewright.schema.data import Floats
from edgewright.schema.device import Packet


@dataclass(frozen=True)
class Arrived:
    """Rows: values (rows, channels); time and sequence (rows,) where the rows carry them."""

    values: Floats
    time: NDArray[np.float64] | None = None
    sequence: NDArray[np.int64] | None = None
    notices: tuple[str, ...] = field(default=())


class Stamper:
    """Makes packets of one stream: stamps rows that carry no time, and counts those that the count says are lost.

    Args:
        stream: name of the stream in a source of many.
        rate: rows a second that are expected, for rows without a time.
    """

    def __init__(self, stream: str = "", rate: float | None = None) -> None:
        self._stream, self._clock = stream, ArrivalClock(rate)
        self._next: int | None = None

    def packet(self, arrived: Arrived, notice: str = "") -> Packet:
        """The packet of these rows; for none of them it carries the notice alone."""
        rows = len(arrived.values)
        times = arrived.time
        if times is None or not np.isfinite(times).any():
            times = self._clock.stamp(rows, time.monotonic()) if rows else np.empty(0)
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
        if sequence is None or not len(sequence):
            return 0
        steps = np.diff(sequence, prepend=sequence[0] if self._next is None else self._next - 1)
        self._next = int(sequence[-1]) + 1
        if len(steps) and steps[0] == 0 and self._next == int(sequence[0]) + len(sequence):
            steps = steps[1:]
        # A count that falls is a sender that began anew, or rows out of order: neither says that any are lost.
        return int((steps[steps > 1] - 1).sum())


def notice_of(text: str, channels: int, stream: str = "") -> Packet:
    """A packet of no rows that says what went wrong."""
    return Packet(stream=stream, values=np.empty((0, channels), np.float32), time=np.empty(0, np.float64), notice=text)
