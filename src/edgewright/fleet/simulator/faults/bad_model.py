"""A model that is wrong about the world: unsure, alarming, drifting; on some devices only after a while."""

from __future__ import annotations

from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import TAKEN_BACK, Fault, chosen

_CREEPS = 0.2
_TRIAL_AND_MORE = 900.0


class BadModel(Fault):
    """Most devices notice in their trial; on the others it passes the trial and must be called back."""

    broken = (
        "the new model is wrong: unsure in 45 % of its answers, alarms all day; on a fifth of the devices only later"
    )
    holds = TAKEN_BACK
    bad = True

    def behaviour(self, device: Device) -> Behaviour:
        """Bad at once, or after its trial."""
        well = _TRIAL_AND_MORE if chosen(device, _CREEPS) else 0.0
        return Behaviour(unsure=0.45, alarms=400.0, drifting=2, well=well)


FAULT = BadModel()
