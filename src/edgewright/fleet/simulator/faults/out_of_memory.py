"""A release that takes more memory than there is: on small devices the system ends it, on others it is seen."""

from __future__ import annotations

from edgewright.fleet.simulator.behaviour import MEGABYTE, Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import TAKEN_BACK, Fault, chosen


class OutOfMemory(Fault):
    """Half of the devices end its process."""

    broken = "the new model takes 400 MB where 200 MB are allowed; on half of the devices the system ends it"
    holds = TAKEN_BACK
    bad = True

    def behaviour(self, device: Device) -> Behaviour:
        """Hungry."""
        if chosen(device, 0.5):
            return Behaviour(crashes=device.chance.between(20.0, 120.0), kills=True)
        return Behaviour(memory=400 * MEGABYTE)


FAULT = OutOfMemory()
