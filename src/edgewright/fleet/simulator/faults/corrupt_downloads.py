"""Bytes that change on the way to the device."""

from __future__ import annotations

from edgewright.fleet.simulator.fault import Fault
from edgewright.fleet.simulator.simulation import Simulation


class CorruptDownloads(Fault):
    """In each kilobyte that arrives one byte is wrong with this chance."""

    broken = "{rate} of all kilobytes of packages arrive with a wrong byte"
    rate = 0.05
    did = "kilobytes that arrived damaged so far"

    def prepare(self, simulation: Simulation) -> None:
        """Every link."""
        for device in simulation.devices:
            device.link.spoilt = self.rate

    def count(self, simulation: Simulation) -> int:
        """Pieces."""
        return sum(device.link.damaged for device in simulation.devices)


FAULT = CorruptDownloads()
