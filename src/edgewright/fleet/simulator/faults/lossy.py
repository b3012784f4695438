"""A bad network: requests and answers are lost."""

from __future__ import annotations

from edgewright.fleet.simulator.fault import Fault
from edgewright.fleet.simulator.simulation import Simulation


class Lossy(Fault):
    """Each request, and each answer, is lost with this chance."""

    broken = "{rate} of all requests are lost, and as many answers"
    holds = ("a good release goes on", "everybody gets there", "the plan's pace")
    spoils = ("in time",)
    rate = 0.1
    did = "requests and answers that were lost so far"

    def prepare(self, simulation: Simulation) -> None:
        """Every link."""
        for device in simulation.devices:
            device.link.loss = self.rate

    def count(self, simulation: Simulation) -> int:
        """Both."""
        return sum(device.link.lost for device in simulation.devices)


FAULT = Lossy()
