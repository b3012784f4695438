"""The simulator's event queue, and a device's simulated network: offline times, lost requests, damaged bytes."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from typing import Protocol

from edgewright.core.records.fleet import Acknowledged, Allowed, Intent, Release, Report
from edgewright.fleet.protocol.layout import Unreachable

BEGIN = 1_800_000_000.0
"""Seconds since 1970 at which every simulation begins (15 January 2027, 08:00 UTC)."""
Act = Callable[[], None]


class EventQueue:
    """Events in order of time; events at the same time run in the order of their scheduling.

    Args:
        begin: seconds since 1970 at which it begins.
    """

    def __init__(self, begin: float = BEGIN) -> None:
        self.now = self._begin = begin
        self._queue: list[tuple[float, int, Act]] = []
        self._count = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the simulation began."""
        return self.now - self._begin

    def at(self, moment: float, act: Act) -> None:
        """Schedule an event at a time; an event in the past runs now."""
        self._count += 1
        heapq.heappush(self._queue, (max(moment, self.now), self._count, act))

    def after(self, seconds: float, act: Act) -> None:
        """Schedule an event after a number of seconds."""
        self.at(self.now + seconds, act)

    def run(self, until: float) -> None:
        """Run all events up to a time."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = until


class Clock:
    """A simulated clock of a device or the control plane.

    Attributes:
        skew: seconds by which its wall clock is wrong.
    """

    def __init__(self, events: EventQueue) -> None:
        self._events, self.skew = events, 0.0

    def wall(self) -> float:
        """Return seconds since 1970 by this clock."""
        return self._events.now + self.skew

    def monotonic(self) -> float:
        """Return seconds since the simulation began."""
        return self._events.elapsed


class SeededRandom:
    """Random numbers from a seed and a name: little memory per device, and independent streams."""

    def __init__(self, seed: int, name: str) -> None:
        self._key = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
        self._count = 0

    def bytes(self, count: int) -> bytes:
        """Return random bytes."""
        stream = b""
        while len(stream) < count:
            self._count += 1
            stream += hashlib.blake2b(self._count.to_bytes(8, "big"), key=self._key, digest_size=32).digest()
        return stream[:count]

    def share(self) -> float:
        """Return a number from 0 up to 1."""
        self._count += 1  # equal to `bytes(8)`
        digest = hashlib.blake2b(self._count.to_bytes(8, "big"), key=self._key, digest_size=32).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

    def between(self, low: float, high: float) -> float:
        """Return a random number between two bounds."""
        return low + (high - low) * self.share()


_PIECE, _PIECES = 1024, 8
"""Bytes of a piece of a download, and the most pieces: each may be lost, whatever the size of a package."""


class Link:
    """The network connection of one device.

    Attributes:
        away: offline times as (start, end), seconds since 1970.
        loss: share of lost requests, and of lost answers.
        spoilt: share of downloaded kilobytes with a wrong byte.
        lost, damaged: number of lost requests and answers, and of damaged kilobytes, so far.
    """

    def __init__(self, events: EventQueue, chance: SeededRandom) -> None:
        self._events, self._chance = events, chance
        self.away: list[tuple[float, float]] = []
        self.loss = self.spoilt = 0.0
        self.lost = self.damaged = 0

    @property
    def down(self) -> bool:
        """Whether the device is offline now."""
        return any(begin <= self._events.now < end for begin, end in self.away)

    def reach(self) -> None:
        """Send a request or an answer over the link.

        Raises:
            Unreachable: it is lost.
        """
        if self.away and self.down:
            raise Unreachable("no network")
        if self.loss and self._chance.share() < self.loss:
            self.lost += 1
            raise Unreachable("a lost packet")

    def piece(self, data: bytes) -> bytes:
        """Return a part of a download as received, possibly damaged."""
        if self.spoilt and self._chance.share() < self.spoilt:
            self.damaged += 1
            return bytes([data[0] ^ 1]) + data[1:]
        return data


class FleetServer(Protocol):
    """What a simulated device reaches: the served files and the control plane.

    Attributes:
        old: the release that came with a device.
    """

    old: Release

    def content(self, path: str) -> bytes:
        """Return the bytes of a served file."""

    def intent(self, device: str, intent: Intent) -> Allowed:
        """Return whether a device may activate."""

    def report(self, device: str, report: Report) -> Acknowledged:
        """Accept a report."""


class LinkedPackages:
    """Downloads packages over a simulated link (`fleet.device.ports.Packages`)."""

    def __init__(self, served: FleetServer, link: Link) -> None:
        self._served, self._link = served, link

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """Yield the bytes from `offset`; a loss interrupts the download."""
        self._link.reach()
        data = self._served.content(path)[:length]
        step = max(_PIECE, -(-len(data) // _PIECES))
        for at in range(offset, len(data), step):
            if at > offset:
                self._link.reach()
            yield self._link.piece(data[at : at + step])

    def spoilt(self, release: Release) -> str:
        """Return the only mirror."""
        return "the fleet"


class LinkedControl:
    """Calls the control plane's functions over a simulated link (`fleet.device.ports.Control`).

    Args:
        served: the served fleet.
        link: link of the device.
        alter: returns the report to send for a true report.
        reported: called with each acknowledged report.
    """

    def __init__(
        self, served: FleetServer, link: Link, alter: Callable[[Report], Report],
        reported: Callable[[Report], None],
    ) -> None:  # fmt: skip
        self._served, self._link, self._alter, self._on_answer = served, link, alter, reported
        self.device = ""

    def intent(self, intent: Intent) -> Allowed:
        """Send an intent."""
        self._link.reach()
        answer = self._served.intent(self.device, intent)
        self._link.reach()
        return answer

    def report(self, report: Report) -> Acknowledged:
        """Send a report."""
        self._link.reach()
        altered = self._alter(report)
        answer = self._served.report(self.device, altered)
        self._on_answer(altered)
        self._link.reach()
        return answer
