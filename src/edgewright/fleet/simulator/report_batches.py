"""Writes simulated reports in batches, like the control plane's group commit under load.

In one process the reports come one by one, and a transaction for each would dominate the run time. The answer to an
ordinary report is predictable, so it is returned immediately, and reports are written together before the next read of
the database. Each answer of the real function must then equal the returned one. Other reports (with another nonce than
the last one, from a clone or a device that lost its state) are processed one at a time.
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
    """The control plane's state of a device."""

    nonce: str
    outcome: int = 0
    digest: bytes = b""
    said: Acknowledged | None = None


class Hearing:
    """Accepts reports."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._known: dict[str, _Known] = {}
        self._waiting: list[tuple[ReceivedReport, bytes]] = []
        self._speaking: set[str] = set()

    def enrolled(self, answer: Enrolled) -> None:
        """Record an enrolled device."""
        self._known[answer.device] = _Known(answer.nonce)

    def report(self, device: str, report: Report) -> Acknowledged:
        """Accept a report and return its acknowledgement.

        Raises:
            EdgewrightError: `server.reports.take` refused the report.
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
            # If the report is refused, the device and its clones are in quarantine from now on.
            self._known.pop(device, None)
            answer = bytes(plane.committer.submit_to(reports.take, one).result())
            acknowledged = msgspec.json.decode(answer, type=Acknowledged)
        else:
            highest = max([known.outcome, *(told.number for told in report.outcomes)])
            durable = tuple((i.boot, i.sequence) for i in one.items)
            acknowledged = Acknowledged(nonce=one.nonce, outcomes=highest, wait=one.wait, durable=durable)
            self._waiting.append((one, msgspec.json.encode(acknowledged)))
            self._speaking.add(device)
        self._known[device] = _Known(acknowledged.nonce, acknowledged.outcomes, found.digest(), acknowledged)
        if len(self._waiting) >= GROUP:
            self.write()
        return acknowledged

    def write_of(self, device: str) -> None:
        """Write the waiting reports if one of them is from this device, before a read of the device's rows."""
        if device in self._speaking:
            self.write()

    def write(self) -> None:
        """Write the waiting reports; call it before reading the database.

        Raises:
            AssertionError: an answer differs from the returned one, which is a bug in the simulation.
        """
        self._speaking.clear()
        # A group has at most one report per device: a second report depends on the result of the first.
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
                    raise AssertionError(f"{report.device}: expected {data!r}, got {answer!r}")
