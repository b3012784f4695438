"""What a fault is: a file of `faults` offers `FAULT`, which says what is broken and what must hold all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewright.fleet.simulate.behaviour import GOOD, Behaviour

if TYPE_CHECKING:
    from edgewright.fleet.simulate.device import Device
    from edgewright.fleet.simulate.run import Simulation

ALWAYS = ("nobody is bricked", "only signed releases", "never an older release", "nobody honest is shut out")
"""Rules that hold in every simulation."""
TAKEN_BACK = ("halted", "in time", "exposed", "nobody begins after the halt", "all back")
"""Rules of a bad release."""


class Fault:
    """Base of the faults; what a fault leaves as it is here is not broken.

    Attributes:
        broken: what is broken, in words; `{rate}` in it is the share of the devices.
        holds: names of rules in `invariants`, besides `ALWAYS`.
        days: that a simulation of it lasts at least to show it.
        rate: share of the devices that it concerns, where nobody says otherwise.
    """

    broken = ""
    holds: tuple[str, ...] = ()
    days = 1.0
    rate = 0.0

    def words(self, rate: float) -> str:
        """What is broken, with the share of the devices."""
        return self.broken.format(rate=f"{100.0 * rate:.3g} %")

    def behaviour(self, device: Device, rate: float) -> Behaviour:
        """How the new release behaves on a device."""
        return GOOD

    def prepare(self, simulation: Simulation) -> None:
        """Called before the first moment, with all devices there."""

    def started(self, simulation: Simulation) -> None:
        """Called when the rollout has just begun."""

    def activated(self, simulation: Simulation, device: Device) -> None:
        """Called when a device has just activated the new release."""


def chosen(device: Device, rate: float) -> bool:
    """Whether a device is among this share of all; drawn once, with its own chance."""
    return device.chance.share() < rate
