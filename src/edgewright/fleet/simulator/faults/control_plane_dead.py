"""The control plane dies when a part of the fleet has begun, and does not come back."""

from __future__ import annotations

import math

from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import GETS_THERE, TAKEN_BACK, Fault
from edgewright.fleet.simulator.simulation import Simulation


class ControlPlaneDead(Fault):
    """Who has the release goes on with it; nobody else begins."""

    broken = "the control plane dies for good when {rate} of the devices have begun"
    holds = ("the plan's pace", "nobody begins without leave", "who began ends the trial")
    spoils = (*TAKEN_BACK, *GETS_THERE[:2], "clones are shut out")
    rate = 0.1
    calm = False
    did = "reports and intents that found nobody so far"

    def activated(self, simulation: Simulation, device: Device) -> None:
        """The last one that it allowed."""
        begun, limit = len(simulation.watch.exposed), math.ceil(self.rate * simulation.settings.devices)
        if begun >= limit and not simulation.served.down:
            simulation.served.down = True
            simulation.say(f"the control plane dies for good; {begun:,} devices have begun")

    def count(self, simulation: Simulation) -> int:
        """Requests."""
        return simulation.served.unanswered


FAULT = ControlPlaneDead()
