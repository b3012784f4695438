"""Rows as a reader found them, and the packet they become."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.schema.device import Packet

Seconds = NDArray[np.float64]

EPOCH = 1e8
"""Seconds beyond this (1973) are a date; a device's clock since its start is not."""
# How fast rows without a clock of their own follow their arrival, and from which distance on they jump to it.
_GAIN, _JUMP = 0.02, 0.5


class ArrivalClock:
    """Times for rows that carry none: when they came, evenly spaced where a rate is known.

    With a rate a row comes one period after the one before, and the whole follows the arrival slowly (a fiftieth of
    the difference a packet), so that what the system delays or bundles does not shake the times. Half a second off,
    they jump to the arrival: rows were lost, or the source was away. Rows of a backlog follow each other however fast
    they are read, and the arrival of those behind them is seen from their end.

    Args:
        rate: rows a second; None where nobody knows.
    """

    def __init__(self, rate: float | None) -> None:
        self._period = 1.0 / rate if rate else 0.0
        self._last: float | None = None
        self._ahead = 0.0

    @property
    def last(self) -> float | None:
        """Time of the last row."""
        return self._last

    def go_on(self, last: float, away: float, now: float) -> None:
        """Go on from the last row before a restart.

        Args:
            last: its time.
            away: seconds since then.
            now: of the monotonic clock, seconds.
        """
        self._last, self._ahead = last, last + away - now

    def stamp(self, rows: int, now: float, *, backlog: bool = False) -> Seconds:
        """Return times of so many rows that arrived together.

        Args:
            rows: at least 1.
            now: of the monotonic clock, seconds.
            backlog: whether they were there before anybody listened.
        """
        now += self._ahead
        count = np.arange(1, rows + 1, dtype=np.float64)
        if backlog and self._period:
            times: Seconds = (now if self._last is None else self._last) + self._period * count
            self._ahead += float(times[-1]) - now
        elif not self._period:
            # Without a rate they are spread over the time since the packet before; the first ones lie close together.
            since = now - 1e-3 * rows if self._last is None else min(self._last, now)
            times = since + (now - since) * count / rows
        elif self._last is None:
            times = now + self._period * (count - rows)
        else:
            times = self._last + self._period * count
            late = now - times[-1]
            times = times + (late if abs(late) > max(_JUMP, 5 * self._period) else _GAIN * late)
            if times[0] <= self._last:  # a jump back still goes forwards, only closer together
                times = self._last + (max(now, self._last + 1e-6) - self._last) * count / rows
        self._last = float(times[-1])
        return times


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


def digest_of(*parts: str | bytes) -> str:
    """Return a short name of a message."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:20]


class Repeats:
    """Names of the last messages, the oldest forgotten first.

    Args:
        each: messages of a sender that stay known.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._names: OrderedDict[str, deque[str]] = OrderedDict()

    def add(self, sender: str, name: str, maximum: int) -> None:
        """Take the newest message of a sender; at most so many of all senders stay known."""
        self._names.setdefault(sender, deque(maxlen=self._each)).append(name)
        self._names.move_to_end(sender)
        while sum(map(len, self._names.values())) > maximum:
            oldest, names = next(iter(self._names.items()))
            names.popleft()
            if not names:
                del self._names[oldest]

    def known(self, sender: str, name: str) -> bool:
        """Return whether this is one of the last messages of the sender."""
        return name in self._names.get(sender, ())

    def state(self) -> list[list[str]]:
        """Return all of it for `go_on`."""
        return [[sender, name] for sender, names in self._names.items() for name in names]

    def go_on(self, state: Sequence[list[str]]) -> None:
        """Know what an earlier run knew."""
        for sender, name in state:
            self.add(sender, name, len(state))
