"""A device's network: time without it, requests and answers that are lost, and bytes that are changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgewright.fleet.protocol.ports import Unreachable
from edgewright.fleet.simulator.event_queue import EventQueue, SeededRandom
from edgewright.fleet.simulator.served_fleet import Served
from edgewright.schema.fleet_report import Acknowledged, Allowed, Intent, Report

_PIECE = 1024


class Link:
    """The way between one device and everything else.

    Args:
        events: time.
        chance: of what is lost.

    Attributes:
        away: (from, until) seconds since 1970 without a network.
        loss: share of requests that are lost; as many answers are.
        spoilt: share of downloads in which a byte is changed.
        lost, damaged: requests and answers that did not arrive, and pieces that arrived otherwise, so far.
    """

    def __init__(self, events: EventQueue, chance: SeededRandom) -> None:
        self._events, self._chance = events, chance
        self.away: list[tuple[float, float]] = []
        self.loss = self.spoilt = 0.0
        self.lost = self.damaged = 0

    @property
    def down(self) -> bool:
        """Whether there is no network now."""
        return any(begin <= self._events.now < end for begin, end in self.away)

    def reach(self) -> None:
        """One request on its way.

        Raises:
            Unreachable: it does not arrive.
        """
        if self.away and self.down:
            raise Unreachable("no network")
        if self.loss and self._chance.share() < self.loss:
            self.lost += 1
            raise Unreachable("a lost packet")

    def piece(self, data: bytes) -> bytes:
        """Return a part of a download as it arrives."""
        if self.spoilt and self._chance.share() < self.spoilt:
            self.damaged += 1
            return bytes([data[0] ^ 1]) + data[1:]
        return data


class LinkedPackages:
    """Downloads packages over a simulated link (`fleet.device.ports.Packages`)."""

    def __init__(self, served: Served, link: Link) -> None:
        self._served, self._link = served, link

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """Yield the bytes from `offset` on; a loss breaks them off."""
        self._link.reach()
        data = self._served.content(path)[:length]
        for at in range(offset, len(data), _PIECE):
            if at > offset:
                self._link.reach()
            yield self._link.piece(data[at : at + _PIECE])


class LinkedControl:
    """Calls the control plane's functions over a simulated link (`fleet.device.ports.Control`).

    Args:
        served: control plane.
        link: of the device.
        tell: from what is true to what the device says.
        heard: called with each report that was acknowledged.
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
