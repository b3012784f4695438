"""Rows as a reader found them, and the packet they become."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.device.sources._timestamps import EPOCH, ArrivalClock
from edgewright.schema.data import Floats
from edgewright.schema.device import Packet

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
