"""A release that takes the whole device down without a word; who is dead reports nothing."""

from __future__ import annotations

from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import Fault


class DeadSilent(Fault):
    """The device hangs; a watchdog pulls the plug hours later."""

    broken = "devices hang 5 to 60 seconds after the new release starts, until a watchdog pulls the plug 2 hours later"
    holds = ("halted", "exposed", "nobody begins after the halt", "all back")
    least = 0.5
    bad = True

    def behaviour(self, device: Device) -> Behaviour:
        """Hangs."""
        return Behaviour(hangs=device.chance.between(5.0, 60.0))


FAULT = DeadSilent()
