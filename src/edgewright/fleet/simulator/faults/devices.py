"""Faults of devices: wrong clocks and power cuts."""
# ruff: noqa: D102 - `Fault` describes its methods, and `did` says what `count` counts

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.disk import PowerCut
from edgewright.fleet.simulator.event_queue import BEGIN
from edgewright.fleet.simulator.fault import GETS_THERE, Fault, chosen
from edgewright.fleet.simulator.fleet import SimulatedFleet
from edgewright.fleet.simulator.rollout_plan import HOUR

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


FAULTS: dict[str, Fault] = {"clock": WrongClocks(), "clock-corrected": CorrectedClocks(), "power-cuts": PowerCuts()}
