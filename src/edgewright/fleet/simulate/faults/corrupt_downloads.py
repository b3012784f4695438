"""Bytes that change on the way to the device."""

from __future__ import annotations

from edgewright.fleet.simulate.fault import Fault
from edgewright.fleet.simulate.run import Simulation


class CorruptDownloads(Fault):
    """In each kilobyte that arrives one byte is wrong with this chance."""

    broken = "{rate} of all kilobytes of packages arrive with a wrong byte"
    rate = 0.05

    def prepare(self, simulation: Simulation) -> None:
        """Every link."""
        for device in simulation.devices:
            device.link.spoilt = simulation.rate


FAULT = CorruptDownloads()
