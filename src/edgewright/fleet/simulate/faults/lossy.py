"""A bad network: requests and answers are lost."""

from __future__ import annotations

from edgewright.fleet.simulate.fault import Fault
from edgewright.fleet.simulate.run import Simulation


class Lossy(Fault):
    """Each request, and each answer, is lost with this chance."""

    broken = "{rate} of all requests are lost, and as many answers"
    holds = ("a good release goes on", "everybody gets there", "the plan's pace")
    rate = 0.1

    def prepare(self, simulation: Simulation) -> None:
        """Every link."""
        for device in simulation.devices:
            device.link.loss = simulation.rate


FAULT = Lossy()
