"""Power cuts in the middle of writes, on every device, while a good release comes."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.disk import PowerCut
from edgewright.fleet.simulator.fault import Fault
from edgewright.fleet.simulator.simulation import Simulation


class PowerCuts(Fault):
    """At each durable write the power goes with this chance, before or after it."""

    broken = "at {rate} of all durable writes the power goes, just before or just after"
    holds = ("everybody gets there", "the plan's pace")
    spoils = ("in time",)
    rate = 0.01
    did = "power cuts so far"

    def prepare(self, simulation: Simulation) -> None:
        """Every disk."""
        for device in simulation.devices:
            device.disk.cut = _cutting(device, self.rate / 2.0)

    def count(self, simulation: Simulation) -> int:
        """Cuts."""
        return sum(device.cuts for device in simulation.devices)


def _cutting(device: Device, rate: float) -> Callable[[], None]:
    def cut() -> None:
        if device.chance.share() < rate:
            raise PowerCut

    return cut


FAULT = PowerCuts()
