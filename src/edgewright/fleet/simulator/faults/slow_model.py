"""A release that answers too late."""

from __future__ import annotations

from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import TAKEN_BACK, Fault


class SlowModel(Fault):
    """Its p99 is beyond the limit of the trial."""

    broken = "the new model takes 1 to 3 seconds for an answer; half a second is allowed"
    holds = TAKEN_BACK
    bad = True

    def behaviour(self, device: Device) -> Behaviour:
        """Slow."""
        return Behaviour(latency=device.chance.between(1.0, 3.0))


FAULT = SlowModel()
