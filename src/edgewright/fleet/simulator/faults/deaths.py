"""New releases that hang devices: immediately, later, permanently, or repeatedly despite a watchdog."""
# ruff: noqa: D102 - `Fault` describes its methods, and `did` says what `count` counts

from __future__ import annotations

import math
from collections.abc import Callable

from edgewright.fleet.simulator.behaviour import GOOD, Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import Fault, chosen
from edgewright.fleet.simulator.faults.releases import CALLED_BACK, BadRelease
from edgewright.fleet.simulator.fleet import SimulatedFleet

_WATCHDOG_S, _FADES_S = 60.0, 7200.0


class Hangs(BadRelease):
    """A share of the devices hangs permanently: each of them needs a visit."""

    rate = 0.38
    lethal = True
    did = "devices that are dead"

    def behaviour(self, device: Device) -> Behaviour:
        """Return a behaviour that hangs a share of the devices permanently."""
        if not chosen(device, self.rate):
            return GOOD
        return Behaviour(hangs=device.chance.between(5.0, 60.0), watchdog=math.inf)

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.dead for device in fleet.devices)


def _after(low_s: float, high_s: float) -> Callable[[Device], Behaviour]:
    return lambda device: Behaviour(hangs=device.chance.between(low_s, high_s))


def _fading(device: Device) -> Behaviour:
    """Return a behaviour with a first run longer than a trial and ever shorter later runs."""
    return Behaviour(hangs=device.chance.between(1200.0, 1800.0), watchdog=_WATCHDOG_S, fades=_FADES_S)


FAULTS: dict[str, Fault] = {
    "dead-silent": BadRelease(
        "devices hang 5 to 60 seconds after the new release starts, until a watchdog pulls the plug 2 hours later",
        _after(5.0, 60.0), CALLED_BACK, 0.5,
    ),
    "dies-later": BadRelease(
        "devices hang 40 to 60 minutes after the new release starts, until a watchdog pulls the plug 2 hours later",
        _after(2400.0, 3600.0), CALLED_BACK, 0.2,
    ),
    "dies-after-hours": BadRelease(
        "devices hang 3 to 5 hours after the new release starts, until a watchdog pulls the plug 2 hours later",
        _after(10_800.0, 18_000.0), CALLED_BACK, 0.7,
    ),
    "hangs": Hangs(
        "{rate} of the devices hang for good 5 to 60 seconds after the new release starts", lambda _: GOOD, CALLED_BACK,
        0.5,
    ),
    "slow-death": BadRelease(
        "devices hang 20 to 30 minutes after the new release starts, and after each restart by a watchdog sooner",
        _fading, CALLED_BACK, 0.5,
    ),
}  # fmt: skip
