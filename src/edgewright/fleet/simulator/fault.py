"""What a fault is: a file of `faults` offers `FAULT`, which says what is broken and what must hold all the same."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

from edgewright.fleet.simulator.behaviour import GOOD, Behaviour

if TYPE_CHECKING:
    from edgewright.fleet.simulator.device import Device
    from edgewright.fleet.simulator.simulation import Simulation

ALWAYS = ("nobody is bricked", "only signed releases", "never an older release", "nobody honest is shut out",
          "nothing acknowledged is lost")  # fmt: skip
"""Rules that hold in every simulation."""
TAKEN_BACK = ("halted", "in time", "exposed", "nobody begins after the halt", "all back")
"""Rules of a bad release."""
GETS_THERE = ("a good release goes on", "everybody gets there", "the plan's pace")
"""Rules of a good one."""
SHORTEST = 0.1
"""Days of any simulation at least: a canary has begun, and what is bad about its release is found."""


class Fault:
    """Base of the faults; what a fault leaves as it is here is not broken.

    Attributes:
        broken: what is broken, in words; `{rate}` in it is the share of the devices.
        holds: names of rules in `invariants`, besides `ALWAYS`.
        spoils: names of rules that another fault promises and that do not hold together with this one.
        days: that a simulation of it lasts where nobody says otherwise.
        least: days below which it cannot be over, so that its rules could not hold.
        rate: share of the devices that it concerns, where nobody says otherwise.
        bad: it is the new release itself that is bad.
        calm: reports that say nothing new may be left out once no rollout is under way: nothing rests on them.
        did: what `count` counts, for a chart.
        name: of its file; given by `at`.
    """

    broken = ""
    holds: tuple[str, ...] = ()
    spoils: tuple[str, ...] = ()
    days = 1.0
    least = SHORTEST
    rate = 0.0
    bad = False
    calm = True
    did = "devices that ever began the new release"
    name = ""

    def at(self, name: str, rate: float | None) -> Self:
        """One of its own for a simulation, with this rate."""
        made = copy.copy(self)
        made.name = name
        made.rate = self.rate if rate is None else rate
        return made

    def words(self, rate: float) -> str:
        """What is broken, with the share of the devices."""
        return self.broken.format(rate=f"{100.0 * rate:.3g} %")

    @property
    def shared(self) -> bool:
        """Whether it concerns a share of something, so that it has a rate."""
        return "{rate}" in self.broken

    def behaviour(self, device: Device) -> Behaviour:
        """How the new release behaves on a device."""
        return GOOD

    def prepare(self, simulation: Simulation) -> None:
        """Called before the first moment, with all devices there."""

    def started(self, simulation: Simulation) -> None:
        """Called when the rollout has just begun."""

    def activated(self, simulation: Simulation, device: Device) -> None:
        """Called when a device has just activated the new release."""

    def count(self, simulation: Simulation) -> int:
        """How much of `did` there is, so far or now."""
        return len(simulation.watch.exposed)


def chosen(device: Device, rate: float) -> bool:
    """Whether a device is among this share of all; drawn once, with its own chance."""
    return device.chance.share() < rate
