"""A device's simulated network: offline times, lost requests and answers, and damaged bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from edgewright.fleet.protocol.ports import Unreachable
from edgewright.fleet.simulator.event_queue import EventQueue, SeededRandom
from edgewright.schema.fleet_plan import Release
from edgewright.schema.fleet_report import Acknowledged, Allowed, Intent, Report

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
