"""A release that passes its trial and takes the device down an hour later; the last that was heard was good."""

from __future__ import annotations

from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import Fault


class DiesLater(Fault):
    """As `dead_silent`, but after the trial was confirmed and reported."""

    broken = "devices hang 40 to 60 minutes after the new release starts, until a watchdog pulls the plug 2 hours later"
    holds = ("halted", "exposed", "nobody begins after the halt", "all back")
    least = 0.2
    bad = True

    def behaviour(self, device: Device) -> Behaviour:
        """Hangs late."""
        return Behaviour(hangs=device.chance.between(2400.0, 3600.0))


FAULT = DiesLater()
