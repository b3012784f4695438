"""Sources that wait for the world or ask it at a steady rate; one that is gone is tried again, ever more slowly."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import msgspec
import numpy as np

from edgewright.core.errors import SourceError
from edgewright.core.records.device import Packet
from edgewright.device.sources import Stream, StreamConfig
from edgewright.device.sources._packet import Arrived, Backoff, Stamper, match, notice_of, refuse_missing

_POLL = 0.01  # seconds between looks for what is not there, at the least


class AwaitedSource(Stream):
    """Reads until something came or the time is over.

    Args:
        rate: rows a second that are expected; None where nobody says.
        columns: channels that come out; empty until they are known.
    """

    def __init__(self, rate: float | None, columns: tuple[str, ...]) -> None:
        self.rate, self.columns = rate, columns
        self._stamper, self._backoff = Stamper(rate=rate), Backoff()
        self._handle: Any = None
        self._notice = ""

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return what arrived, or what is to be told of it."""
        until = time.monotonic() + timeout
        while True:
            arrived = self._arrived(max(0.0, until - time.monotonic()))
            notice, self._notice = self._notice, ""
            if arrived is not None and (len(arrived.values) or arrived.notices):
                return [self._stamper.packet(arrived, notice)]
            if notice:
                return [notice_of(notice, len(self.columns))]
            left = until - time.monotonic()
            if left <= 0:
                return []
            self._pause(left)

    @abstractmethod
    def _arrived(self, wait: float) -> Arrived | None:
        """Return what came within so many seconds, with the source opened again where that is due."""

    def _pause(self, left: float) -> None:
        """Wait for the next attempt; what is open waits in `_arrived`."""
        if self._handle is None:
            time.sleep(min(left, max(_POLL, self._backoff.wait())))

    def _failed(self, notice: str) -> None:
        """Say what went wrong; the next attempt comes later."""
        self._backoff.failed()
        self._notice = notice


class Gone(Exception):  # noqa: N818 - it may come back
    """A device is not there, or not any more."""


class CapturedSource(AwaitedSource):
    """A device of the machine; one that vanishes is opened again when it comes back.

    Args:
        name: name of the device, for notices.
        capture: opens the device, or raises `Gone`; what it returns has a `close`.
        rate: as that of `AwaitedSource`.
        columns: as those of `AwaitedSource`.
    """

    def __init__(self, name: str, capture: Callable[[], Any], rate: float | None, columns: tuple[str, ...]) -> None:
        super().__init__(rate, columns)
        self._name, self._capture, self._reported = name, capture, False

    def close(self) -> None:
        """Give the device back."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _opened(self) -> bool:
        """Return whether the device is open, after an attempt where that is due."""
        if self._handle is not None:
            return True
        if self._backoff.wait():
            return False
        reported, self._reported = self._reported, True
        try:
            self._handle = self._capture()
        except Gone as error:
            self._failed("" if reported else f"{self._name} cannot be opened ({error}): retrying")
            return False
        self._backoff.worked()
        self._reported = False
        self._notice = f"{self._name} is there" if reported else ""
        return True

    def _gone(self, error: Gone) -> None:
        """Give back a device that vanished, and say so."""
        self.close()
        self._reported = True
        self._failed(f"{self._name} is gone ({error}): retrying")


def reached(moment: float, timeout: float) -> bool:
    """Wait for a moment of the monotonic clock, at most `timeout` seconds; return whether it came."""
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(min(max(0.0, timeout), left))
    return moment <= time.monotonic()


_TURN = 0.05  # seconds that a read sleeps at most before it looks again


class PolledConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a source that is asked.

    Attributes:
        rate: rows a second.
    """

    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1000.0)] = 1.0


class LinkError(Exception):
    """The other side is away, or does not answer; asked again later."""


class Link(Protocol):
    """A connection to what answers."""

    def connect(self) -> None:
        """Reach it; raises `LinkError`, or `InputError` for what will never work."""

    def values(self) -> Sequence[float]:
        """Ask for one value of each column, NaN where the other side has none; raises `LinkError`."""

    def close(self) -> None:
        """Let go of it, whatever state it is in."""


class Polled(Stream):
    """Asks for a row when it is due; a row that could not be had in its time counts as lost.

    Args:
        link: that is asked.
        names: of its columns.
        wanted: channels, in the order they are to come out; all of them when empty.
        rate: rows a second.
        where: of the other side, for messages.
    """

    loses = "values that nobody asks for while the agent is away are lost"

    def __init__(self, link: Link, names: Sequence[str], wanted: tuple[str, ...], rate: float, where: str) -> None:
        columns = match(names, wanted, where, time="-", sequence="-")
        refuse_missing(columns, names, where)
        self.columns, self.rate, self._period = columns.names, rate, 1 / rate
        self._link, self._places, self._where = link, list(columns.places), where
        self._stamper, self._backoff = Stamper(rate=rate), Backoff()
        self._due = -math.inf
        self._connected = self._was_there = False

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return the row that is due within the time, or what went wrong."""
        return self._polled(timeout)

    def _polled(self, timeout: float) -> Sequence[Packet]:
        until = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            pause = max(self._due - now, 0.0 if self._connected else self._backoff.wait())
            if pause <= 0:
                return self._ask()
            if now >= until:
                return []
            time.sleep(min(pause, until - now, _TURN))

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _ask(self) -> list[Packet]:
        packets = []
        try:
            if not self._connected:
                self._link.connect()
                self._connected = True
                if self._was_there:
                    packets.append(notice_of(f"{self._where} is there", len(self.columns)))
                self._was_there = True
                self._backoff.worked()
                self._due = time.monotonic()
            row = np.asarray(self._link.values(), np.float32)[self._places]
        except LinkError as error:
            self._link.close()
            # Its loss is told once.
            reported = self._was_there and not self._connected
            self._connected, self._was_there = False, True
            self._backoff.failed()
            return (
                packets if reported else [*packets, notice_of(f"{self._where}: {error}; retrying", len(self.columns))]
            )
        lost = self._next()
        packet = self._stamper.packet(Arrived(row[None]))
        return [*packets, msgspec.structs.replace(packet, lost=lost) if lost else packet]

    def _next(self) -> int:
        """Set when the next row is due; return how many were due meanwhile and could not be had."""
        self._due += self._period
        late = max(0, math.floor((time.monotonic() - self._due) / self._period))
        self._due += late * self._period
        return late


def named(given: Sequence[str], title: str, example: str) -> list[tuple[str, str]]:
    """Split settings such as 'speed@40001' into names and what they stand for.

    Args:
        given: the settings.
        title: they are, for messages.
        example: of one of them.

    Raises:
        InputError: none, one without a name, or a name twice.
    """
    pairs: list[tuple[str, str]] = []
    for text in given:
        name, _, rest = text.partition("@")
        if not name or not rest:
            raise SourceError(f"{title} such as {example}", repr(text), "[source]")
        if name in [before for before, _ in pairs]:
            raise SourceError("a name of its own for each column", f"{name!r} twice", "[source]")
        pairs.append((name, rest))
    if not pairs:
        raise SourceError(f"{title} such as {example}", "none", "[source]")
    return pairs
