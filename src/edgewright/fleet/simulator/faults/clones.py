"""Copied devices: two of them with one key, one id and one memory."""

from __future__ import annotations

from edgewright.fleet.simulator.device import copy_of
from edgewright.fleet.simulator.fault import Fault
from edgewright.fleet.simulator.simulation import Simulation


class Clones(Fault):
    """Some devices are copied, disk and all, half an hour after the beginning."""

    broken = "{rate} of the devices are copied, key and all"
    holds = ("clones are shut out", "a good release goes on", "everybody gets there")
    rate = 0.05
    calm = False
    did = "devices, originals and copies, that know that they are shut out"

    def prepare(self, simulation: Simulation) -> None:
        """Copies later."""
        simulation.world.after(1800.0, lambda: _copy(simulation, self.rate))

    def count(self, simulation: Simulation) -> int:
        """Those in quarantine."""
        return sum(device.twins and bool(device.held.quarantined) for device in simulation.devices)


def _copy(simulation: Simulation, rate: float) -> None:
    count = max(1, round(rate * len(simulation.devices)))
    originals = simulation.devices[:count]
    for device in originals:
        twin = simulation.add(f"clone {device.number}")
        copy_of(device, twin)
        simulation.devices.append(twin)
        simulation.excluded |= {device.number, twin.number}
        twin.wake(60.0)
    simulation.say(f"{count} devices are copied, keys and all")


FAULT = Clones()
