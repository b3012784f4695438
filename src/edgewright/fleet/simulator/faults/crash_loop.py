"""A release whose process ends by itself again and again."""

from __future__ import annotations

from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import TAKEN_BACK, Fault


class CrashLoop(Fault):
    """It ends some seconds after each start."""

    broken = "the new release ends with a fault of memory access 15 to 90 seconds after each start"
    holds = TAKEN_BACK
    bad = True

    def behaviour(self, device: Device) -> Behaviour:
        """Crashes."""
        return Behaviour(crashes=device.chance.between(15.0, 90.0))


FAULT = CrashLoop()
