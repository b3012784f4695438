"""Faults of the network and the control plane: lost or damaged data, and outages."""
# ruff: noqa: D102 - `Fault` describes its methods, and `did` says what `count` counts

from __future__ import annotations

import math

from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.disk import SimulatedOutbox
from edgewright.fleet.simulator.event_queue import BEGIN
from edgewright.fleet.simulator.fault import GETS_THERE, TAKEN_BACK, Fault
from edgewright.fleet.simulator.fleet import SimulatedFleet

_DOWN_AFTER, _DOWN = 2400.0, 36 * 3600.0
_OUTAGE_AFTER, _OUTAGE = 9000.0, 6 * 3600.0


class Lossy(Fault):
    """Each request and each answer is lost with a probability."""

    broken = "{rate} of all requests are lost, and as many answers"
    holds = GETS_THERE
    spoils = ("in time",)
    rate = 0.1
    did = "requests and answers that were lost so far"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Give every link this loss rate."""
        for device in fleet.devices:
            device.link.loss = self.rate

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.link.lost for device in fleet.devices)


class CorruptDownloads(Fault):
    """Each received kilobyte has a wrong byte with a probability."""

    broken = "{rate} of all kilobytes of packages arrive with a wrong byte"
    rate = 0.05
    did = "kilobytes that arrived damaged so far"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Make every link damage data."""
        for device in fleet.devices:
            device.link.spoilt = self.rate

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.link.damaged for device in fleet.devices)


class ControlPlaneFault(Fault):
    """The control plane does not answer, temporarily or permanently; published files stay available."""

    calm = False
    did = "reports and intents without an answer so far"

    def count(self, fleet: SimulatedFleet) -> int:
        return fleet.served.unanswered


class ControlPlaneDown(ControlPlaneFault):
    """The control plane is down for 36 hours during the canary, longer than the standings' signature is valid."""

    broken = "the control plane is dead for 36 hours, from the middle of the canary on"
    holds = (*GETS_THERE, "no start without permission")
    spoils = ("in time",)
    days = 3.0
    shortest_days = 2.0

    def started(self, fleet: SimulatedFleet) -> None:
        """Schedule the outage."""
        reported = "the control plane is down", "the control plane is back"
        _take_down(fleet, fleet.events.now + _DOWN_AFTER, _DOWN, reported)


class ControlPlaneDead(ControlPlaneFault):
    """The control plane stops permanently: updated devices continue, and no other device starts."""

    broken = "the control plane dies for good when {rate} of the devices have begun"
    holds = ("the plan's pace", "no start without permission", "every started trial ends")
    spoils = (*TAKEN_BACK, *GETS_THERE[:2], "clones are quarantined", "no device is bricked")
    rate = 0.1
    ended = False

    def activated(self, fleet: SimulatedFleet, device: Device) -> None:
        """Stop the control plane when the given share of the devices has started."""
        begun, limit = len(fleet.observer.exposed), math.ceil(self.rate * fleet.settings.devices)
        if begun >= limit and not self.ended:
            self.ended = True
            fleet.served.switch(True)
            fleet.observer.say(f"the control plane dies for good; {begun:,} devices have begun")


class Outage(Fault):
    """All servers are down for hours; devices continue and store their items, and then all return at the same time."""

    broken = (
        "files and control plane are away for 6 hours in the middle of the canary; then {rate} of the devices return "
        "at once with full outboxes"
    )
    holds = (*GETS_THERE, "drained after an outage", "alarms first")
    spoils = ("in time",)
    rate = 1.0
    shortest_days = 0.6
    calm = False
    did = "items waiting in outboxes"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Give every device an outbox before its agent starts, and schedule the outage."""
        begin = fleet.events.now + _OUTAGE_AFTER
        end = begin + _OUTAGE
        for device in fleet.devices:
            device.outbox = outbox = SimulatedOutbox(device.name, device.clock)
            device.boot()
            if device.number < self.rate * len(fleet.devices):
                outbox.until = end - BEGIN
                device.link.away.append((begin, end))
        if self.rate >= 1.0:
            reported = "everything is away", "everything is back, for all devices at once"
            _take_down(fleet, begin, _OUTAGE, reported)

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.outbox.waiting for device in fleet.devices if isinstance(device.outbox, SimulatedOutbox))


def _take_down(fleet: SimulatedFleet, moment: float, seconds: float, reported: tuple[str, str]) -> None:
    """Schedule an outage of the control plane with a line in the story at its start and end."""

    def switch(down: bool) -> None:
        fleet.served.switch(down)
        fleet.observer.say(reported[0] if down else reported[1])

    fleet.events.at(moment, lambda: switch(True))
    fleet.events.at(moment + seconds, lambda: switch(False))


FAULTS: dict[str, Fault] = {
    "lossy": Lossy(), "corrupt-downloads": CorruptDownloads(), "control-plane-down": ControlPlaneDown(),
    "control-plane-dead": ControlPlaneDead(), "outage": Outage(),
}  # fmt: skip
