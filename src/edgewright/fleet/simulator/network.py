"""A device's simulated network: offline times, lost requests and answers, and damaged bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgewright.fleet.protocol.ports import Unreachable
from edgewright.fleet.simulator.event_queue import EventQueue, SeededRandom
from edgewright.fleet.simulator.served_fleet import Served
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


class LinkedPackages:
    """Downloads packages over a simulated link (`fleet.device.ports.Packages`)."""

    def __init__(self, served: Served, link: Link) -> None:
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
        tell: returns the report to send for a true report.
        heard: called with each acknowledged report.
    """

    def __init__(
        self, served: Served, link: Link, tell: Callable[[Report], Report],
        heard: Callable[[Report], None],
    ) -> None:  # fmt: skip
        self._served, self._link, self._tell, self._heard = served, link, tell, heard
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
        said = self._tell(report)
        answer = self._served.report(self.device, said)
        self._heard(said)
        self._link.reach()
        return answer

    def federation(self, message: bytes) -> bytes:
        """Send a message of a round of learning."""
        self._link.reach()
        answer = self._served.federation(self.device, message)
        self._link.reach()
        return answer
