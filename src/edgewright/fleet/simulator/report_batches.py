"""Reports into the control plane's database many at once, as its group commit writes them when many devices speak.

In one process the devices speak one after the other, and a transaction each would take most of the time. What the
control plane will answer to an ordinary report is known beforehand: it is said at once, and the reports are written
together before anybody reads the database. Each answer of the real function must then be the one that was given; what
is not ordinary (another nonce than the last one: a clone, a device that forgot) goes through by itself.
"""

from __future__ import annotations

import functools
import hashlib

import msgspec

from edgewright.fleet.server import reports
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.reports import ReceivedReport
from edgewright.schema.fleet_report import Acknowledged, Enrolled, Report

GROUP = 512


class _Known(msgspec.Struct):
    """The device as the control plane has it."""

    nonce: str
    outcome: int = 0
    digest: bytes = b""
    said: Acknowledged | None = None


class Hearing:
    """Takes reports.

    Args:
        plane: whose database it is.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._known: dict[str, _Known] = {}
        self._waiting: list[tuple[ReceivedReport, bytes]] = []
        self._speaking: set[str] = set()

    def enrolled(self, answer: Enrolled) -> None:
        """Record an enrolled device."""
        self._known[answer.device] = _Known(answer.nonce)

    def report(self, device: str, report: Report) -> Acknowledged:
        """Return the acknowledgement.

        Raises:
            EdgewrightError: as `control.reports.take` refuses.
        """
        plane, known = self._plane, self._known.get(device, _Known(""))
        found = hashlib.sha256(msgspec.json.encode(report))
        if known.said is not None and found.digest() == known.digest:
            return known.said
        one = reports.arrived(
            device, report, found.hexdigest(), at=plane.clock.wall(), nonce=plane.random(16).hex(),
            wait=plane.limits.wait,
        )  # fmt: skip
        if report.nonce != known.nonce:
            self.write()
            # Refused, it is in quarantine from now, and so is whoever else has its key.
            self._known.pop(device, None)
            answer = bytes(plane.committer.submit_to(reports.take, one).result())
            self._known[device] = known
            acknowledged = msgspec.json.decode(answer, type=Acknowledged)
        else:
            highest = max([known.outcome, *(told.number for told in report.outcomes)])
            durable = tuple((i.boot, i.sequence) for i in one.items)
            acknowledged = Acknowledged(nonce=one.nonce, outcomes=highest, wait=one.wait, durable=durable)
            self._waiting.append((one, msgspec.json.encode(acknowledged)))
            self._speaking.add(device)
        known.nonce, known.outcome, known.digest, known.said = (
            acknowledged.nonce,
            acknowledged.outcomes,
            found.digest(),
            acknowledged,
        )
        if len(self._waiting) >= GROUP:
            self.write()
        return acknowledged

    def write_of(self, device: str) -> None:
        """Write what waits where that device's own is among it: for who reads rows of that device alone."""
        if device in self._speaking:
            self.write()

    def write(self) -> None:
        """Write what waits; whoever reads the database calls this before.

        Raises:
            AssertionError: the control plane answers otherwise than was said; the simulation is wrong then.
        """
        self._speaking.clear()
        # A device speaks once in a group: the second report is judged by what the first one left.
        while self._waiting:
            group: dict[str, tuple[ReceivedReport, bytes]] = {}
            later = []
            for one in self._waiting:
                if one[0].device in group:
                    later.append(one)
                else:
                    group[one[0].device] = one
            self._waiting = later
            arrived = [report for report, _ in group.values()]
            work = functools.partial(reports.take, group=arrived)
            answers = self._plane.committer.submit(work).result()
            for (report, data), answer in zip(group.values(), answers, strict=True):
                if answer != data:
                    raise AssertionError(f"{report.device}: {answer!r} where {data!r} was said")
