"""Faults of devices and connections: wrong clocks, power cuts, losses and outages."""
# ruff: noqa: D102 - `Fault` describes its methods, and `did` says what `count` counts

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.disk import PowerCut, SimulatedOutbox
from edgewright.fleet.simulator.fault import GETS_THERE, TAKEN_BACK, Fault, chosen
from edgewright.fleet.simulator.fleet import SimulatedFleet
from edgewright.fleet.simulator.network import BEGIN
from edgewright.fleet.simulator.result import HOUR

_WRONG = 400 * DAY
_SKEWS = (-BEGIN, -_WRONG, _WRONG)
"""1970, as after a dead battery, and more than a year behind or ahead."""
_FIRST, _LAST = 2.0, 8.0  # hours after which wrong clocks are corrected


class WrongClocks(Fault):
    """Half of the affected clocks are behind, half ahead; devices ahead find all metadata expired and do not update."""

    broken = "{rate} of the devices have clocks that are 400 days behind or ahead"
    holds = GETS_THERE
    rate = 0.3
    did = "devices with a wrong clock that run the new release"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Choose devices and set their clocks wrong."""
        for device in fleet.devices:
            if chosen(device, self.rate):
                ahead = chosen(device, 0.5)
                device.clock.skew = _WRONG if ahead else -_WRONG
                if ahead:
                    fleet.excluded.add(device.number)

    def count(self, fleet: SimulatedFleet) -> int:
        new = fleet.new
        wrong = (device for device in fleet.devices if device.clock.skew)
        return 0 if new is None else sum(device.device_state.counter == new.counter for device in wrong)


class CorrectedClocks(Fault):
    """Each kind of wrong clock affects a third of the devices; after the correction all devices must update."""

    broken = (
        "{rate} of the devices have clocks at 1970 or 400 days behind or ahead, and are set right 2 to 8 hours later"
    )
    holds = GETS_THERE
    shortest_days = 0.5
    rate = 0.3
    did = "devices with a wrong clock now"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Choose devices, how their clocks are wrong, and for how long."""
        for device in fleet.devices:
            if chosen(device, self.rate):
                device.clock.skew = _SKEWS[int(device.chance.share() * len(_SKEWS))]
                fleet.events.after(
                    device.chance.between(_FIRST, _LAST) * HOUR, partial(setattr, device.clock, "skew", 0.0)
                )

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.clock.skew != 0.0 for device in fleet.devices)


class PowerCuts(Fault):
    """Before or after each durable write, the power fails with a probability."""

    broken = "power fails just before or after {rate} of all durable writes"
    holds = ("all devices update", "the plan's pace")
    spoils = ("in time",)
    rate = 0.01
    did = "power cuts so far"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Let every disk cause power cuts."""
        for device in fleet.devices:
            device.disk.cut = _cutting(device, self.rate / 2.0)

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.cuts for device in fleet.devices)


def _cutting(device: Device, rate: float) -> Callable[[], None]:
    def cut() -> None:
        if device.chance.share() < rate:
            raise PowerCut

    return cut


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
    "control-plane-dead": ControlPlaneDead(), "outage": Outage(), "clock": WrongClocks(),
    "clock-corrected": CorrectedClocks(), "power-cuts": PowerCuts(),
}  # fmt: skip
