"""Faults of a simulation, alone and together: what each breaks, and the rules that still hold."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

from edgewright.core import catalogue
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour, worse
from edgewright.fleet.simulator.default_plan import least_days
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fleet import Settings, SimulatedFleet
from edgewright.schema.errors import InputError, UnknownNameError

FOLDER = "edgewright.fleet.simulator.faults"
ALWAYS = ("no device is bricked", "only signed releases", "never an older release",
          "no legitimate device is quarantined", "no acknowledged data is lost")  # fmt: skip
"""Rules that hold in every simulation."""
TAKEN_BACK = ("halted", "in time", "exposed", "no start after the halt", "all back")
"""Rules of a bad release."""
GETS_THERE = ("a good release continues", "all devices update", "the plan's pace")
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
        name: its key in `FAULTS`; given by `at`.
    """

    broken = ""
    holds: tuple[str, ...] = ()
    spoils: tuple[str, ...] = ()
    days = 1.0
    least = SHORTEST
    rate = 0.0
    bad = False
    calm = True
    did = "devices that started the new release"
    name = ""

    def at(self, name: str, rate: float | None) -> Self:
        """Return a copy for one simulation, with this rate."""
        made = copy.copy(self)
        made.name = name
        made.rate = self.rate if rate is None else rate
        return made

    @property
    def words(self) -> str:
        """What is broken, with the share of the devices."""
        return self.broken.format(rate=f"{100.0 * self.rate:.3g} %")

    def behaviour(self, device: Device) -> Behaviour:
        """Return how the new release behaves on a device."""
        return GOOD

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Act before the first moment, with all devices there."""

    def started(self, fleet: SimulatedFleet) -> None:
        """Act when the rollout has just begun."""

    def activated(self, fleet: SimulatedFleet, device: Device) -> None:
        """Act when a device has just activated the new release."""

    def count(self, fleet: SimulatedFleet) -> int:
        """Return how much of `did` there is, so far or now."""
        return len(fleet.observer.exposed)


def chosen(device: Device, rate: float) -> bool:
    """Return whether a device is among this share of all; drawn once, with its own chance."""
    return device.chance.share() < rate


class FaultSet:
    """Several faults at once: what must hold is what holds under all of them.

    Args:
        faults: by name, each with its rate; None for its own. 'none' beside others is nothing.

    Raises:
        UnknownNameError: no such fault.
        InputError: one is named twice.
    """

    def __init__(self, faults: Sequence[tuple[str, float | None]]) -> None:
        found: dict[str, Fault] = {}
        known = known_faults()
        for name, rate in faults:
            if name not in known:
                raise UnknownNameError("fault", name, known, "--break")
            if name in found:
                raise InputError("each fault once", f"{name} twice", "--break")
            found[name] = known[name].at(name, rate)
        others = tuple(one for name, one in found.items() if name != "none")
        self.each = others or tuple(found.values())

    @property
    def name(self) -> str:
        """Names of all."""
        return " + ".join(one.name for one in self.each)

    @property
    def words(self) -> str:
        """What is broken."""
        return "; ".join(one.words for one in self.each)

    @property
    def days(self) -> float:
        """Days of the longest."""
        return max(one.days for one in self.each)

    @property
    def least(self) -> float:
        """Days of the longest at least; and where everybody is to get there, those of the plan."""
        whole = [least_days()] if "all devices update" in self.holds else []
        return max(*(one.least for one in self.each), *whole, 0.0)

    @property
    def holds(self) -> tuple[str, ...]:
        """Rules that hold.

        Where a release is bad, those of taking it back that every bad one promises; else those of a good release that
        every fault promises; and each fault's own. Never what one of them spoils.
        """
        bad = [one for one in self.each if one.bad]
        shared = TAKEN_BACK if bad else GETS_THERE
        agreed = [rule for rule in shared if all(rule in one.holds for one in bad or self.each)]
        own = [rule for one in self.each for rule in one.holds if rule not in (*TAKEN_BACK, *GETS_THERE)]
        spoilt = {rule for one in self.each for rule in one.spoils} if len(self.each) > 1 else set()
        return tuple(rule for rule in dict.fromkeys((*agreed, *own)) if rule not in spoilt)

    def behaviour(self, device: Device) -> Behaviour:
        """Return the worst behaviour of all."""
        found = GOOD
        for one in self.each:
            found = worse(found, one.behaviour(device))
        return found


def known_faults() -> dict[str, Fault]:
    """Return all faults by name."""
    files = catalogue.listing(FOLDER, "FAULTS")
    families = [catalogue.find(FOLDER, file, "FAULTS", "family of faults") for file in files]
    return dict(sorted((name, fault) for family in families for name, fault in family.items()))


def check(settings: Settings) -> None:
    """Check that the settings make sense; nothing is simulated.

    Raises:
        UnknownNameError: no such fault.
        InputError: one that is named twice, or a number out of its range.
    """
    if not 4 <= settings.devices <= 1_000_000:
        raise InputError("4 to 1,000,000 devices", f"{settings.devices:,}", "N")
    for name, rate in settings.faults:
        if rate is not None and not 0.0 <= rate <= 1.0:
            raise InputError("a share from 0 to 1", f"{rate:g}", f"--break {name}")
    if settings.days is not None and not SHORTEST <= settings.days <= 60:
        raise InputError(f"{SHORTEST:g} to 60 days", f"{settings.days:g}", "--days")
    FaultSet(settings.faults)
    known = known_faults()
    for name, rate in settings.faults:
        if rate is not None and "{rate}" not in known[name].broken:
            raise InputError("no share: it affects all devices", f"{rate:g}", f"--break {name}", "Omit it")


def check_days(settings: Settings) -> None:
    """Check the settings, and that what must hold in the end can hold after so few days.

    Raises:
        UnknownNameError, InputError: as `check`; or the days are too few, which people would take for a failure.
    """
    check(settings)
    if settings.days is None:
        return
    together = FaultSet(settings.faults)
    if settings.days < together.least:
        why = f"at least {together.least:g} days, as the plan and what is broken ({together.name}) take so long"
        do = f"Say --days {together.least:g}, or leave it out for {together.days:g}"
        raise InputError(why, f"{settings.days:g}", "--days", do)
