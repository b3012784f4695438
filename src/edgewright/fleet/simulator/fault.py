"""Faults of a simulation and their combinations: what each fault breaks, and the rules that must still hold."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

from edgewright.core import catalogue
from edgewright.core.errors import SimulationSettingsError, UnknownNameError
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour, worse
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fleet import Settings, SimulatedFleet
from edgewright.fleet.simulator.result import minimum_days

FOLDER = "edgewright.fleet.simulator.faults"
ALWAYS = ("no device is bricked", "only signed releases", "never an older release",
          "no legitimate device is quarantined", "no acknowledged data is lost")  # fmt: skip
"""Rules that hold in every simulation."""
DEAD_WHERE_FOUND = "only the stage dies"
"""Replacement for the first rule if the release leaves devices dead."""
TAKEN_BACK = ("halted", "in time", "exposed", "no start after the halt", "all back")
"""Rules for a bad release."""
GETS_THERE = ("a good release continues", "all devices update", "the plan's pace")
"""Rules for a good release."""
SHORTEST = 0.1
"""Shortest simulation in days: the canary has started, and a bad release is found."""


class Fault:
    """Base class of faults; its defaults break nothing.

    Attributes:
        broken: description of the fault; `{rate}` stands for the share of the devices.
        holds: names of rules in `invariants` that must hold, in addition to `ALWAYS`.
        spoils: names of rules of other faults that cannot hold together with this fault.
        days: default duration of a simulation in days.
        shortest_days: shortest duration in days in which the rules can hold.
        rate: default share of affected devices.
        bad: whether the new release itself is bad.
        lethal: it leaves devices dead for good, so that only how many can be limited.
        calm: whether reports without news may be skipped while no rollout is active.
        did: description of what `count` counts, for a chart.
        name: key in `FAULTS`, set by `at`.
    """

    broken = ""
    holds: tuple[str, ...] = ()
    spoils: tuple[str, ...] = ()
    days = 1.0
    shortest_days = SHORTEST
    rate = 0.0
    bad = False
    lethal = False
    calm = True
    did = "devices that started the new release"
    name = ""

    def at(self, name: str, rate: float | None) -> Self:
        """Return a copy for one simulation, with this rate."""
        variant = copy.copy(self)
        variant.name = name
        variant.rate = self.rate if rate is None else rate
        return variant

    @property
    def words(self) -> str:
        """Description of the fault, with the share of affected devices."""
        return self.broken.format(rate=f"{100.0 * self.rate:.3g} %")

    def behaviour(self, device: Device) -> Behaviour:
        """Return how the new release behaves on a device."""
        return GOOD

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Prepare the fault before the simulation starts; all devices exist."""

    def started(self, fleet: SimulatedFleet) -> None:
        """Act when the rollout has just started."""

    def activated(self, fleet: SimulatedFleet, device: Device) -> None:
        """Act when a device has just activated the new release."""

    def count(self, fleet: SimulatedFleet) -> int:
        """Return the current count for `did`."""
        return len(fleet.observer.exposed)


def chosen(device: Device, rate: float) -> bool:
    """Draw whether a device is in a share of all devices, from the device's own random numbers."""
    return device.chance.share() < rate


class FaultSet:
    """A combination of faults, with the rules that hold under all of them.

    Args:
        faults: names of faults with rates; None for the default rate. 'none' together with others has no effect.

    Raises:
        UnknownNameError: a fault does not exist.
        InputError: a fault is named twice.
    """

    def __init__(self, faults: Sequence[tuple[str, float | None]]) -> None:
        selected: dict[str, Fault] = {}
        known = known_faults()
        for name, rate in faults:
            if name not in known:
                raise UnknownNameError("fault", name, known, "--break")
            if name in selected:
                raise SimulationSettingsError("each fault once", f"{name} twice", "--break")
            selected[name] = known[name].at(name, rate)
        others = tuple(fault for name, fault in selected.items() if name != "none")
        self.each = others or tuple(selected.values())

    @property
    def name(self) -> str:
        """Names of all faults."""
        return " + ".join(fault.name for fault in self.each)

    @property
    def words(self) -> str:
        """Descriptions of all faults."""
        return "; ".join(fault.words for fault in self.each)

    @property
    def days(self) -> float:
        """Longest default duration in days."""
        return max(fault.days for fault in self.each)

    def minimum_days(self, settings: Settings) -> float:
        """Return the shortest possible duration in days; includes the whole plan if all devices must update."""
        whole = [minimum_days(settings.rollout, settings.wait)] if "all devices update" in self.holds else []
        return max(*(fault.shortest_days for fault in self.each), *whole, 0.0)

    @property
    def always(self) -> tuple[str, ...]:
        """Rules that hold in every simulation, except those that a fault makes impossible."""
        if any(fault.lethal for fault in self.each):
            return (DEAD_WHERE_FOUND, *ALWAYS[1:])
        spoilt = self._spoilt if any(fault.bad for fault in self.each) else set()
        return tuple(rule for rule in ALWAYS if rule not in spoilt)

    @property
    def _spoilt(self) -> set[str]:
        return {rule for fault in self.each for rule in fault.spoils} if len(self.each) > 1 else set()

    @property
    def holds(self) -> tuple[str, ...]:
        """Names of the rules that must hold.

        With a bad release, these are the rollback rules that all bad releases share; otherwise the rules of a good
        release that all faults share. Each fault's own rules are added, and rules that a fault spoils are removed.
        """
        bad = [fault for fault in self.each if fault.bad]
        shared = TAKEN_BACK if bad else GETS_THERE
        agreed = [rule for rule in shared if all(rule in fault.holds for fault in bad or self.each)]
        own = [rule for fault in self.each for rule in fault.holds if rule not in (*TAKEN_BACK, *GETS_THERE)]
        return tuple(rule for rule in dict.fromkeys((*agreed, *own)) if rule not in self._spoilt)

    def behaviour(self, device: Device) -> Behaviour:
        """Return the combined worst behaviour of all faults."""
        behaviour = GOOD
        for fault in self.each:
            behaviour = worse(behaviour, fault.behaviour(device))
        return behaviour


def known_faults() -> dict[str, Fault]:
    """Return all faults by name."""
    files = catalogue.listing(FOLDER, "FAULTS")
    families = [catalogue.find(FOLDER, file, "FAULTS", "family of faults") for file in files]
    return dict(sorted((name, fault) for family in families for name, fault in family.items()))


def check(settings: Settings) -> None:
    """Check the settings without simulating.

    Raises:
        UnknownNameError: a fault does not exist.
        InputError: a fault is named twice, or a number is out of range.
    """
    if not 1 <= settings.devices <= 1_000_000:
        raise SimulationSettingsError("1 to 1,000,000 devices", f"{settings.devices:,}", "N")
    for name, rate in settings.faults:
        if rate is not None and not 0.0 <= rate <= 1.0:
            raise SimulationSettingsError("a share from 0 to 1", f"{rate:g}", f"--break {name}")
    if settings.days is not None and not SHORTEST <= settings.days <= 60:
        raise SimulationSettingsError(f"{SHORTEST:g} to 60 days", f"{settings.days:g}", "--days")
    FaultSet(settings.faults)
    known = known_faults()
    for name, rate in settings.faults:
        if rate is not None and "{rate}" not in known[name].broken:
            raise SimulationSettingsError("no share: it affects all devices", f"{rate:g}", f"--break {name}", "Omit it")


def check_days(settings: Settings) -> None:
    """Check the settings, and that the simulation is long enough for its rules to hold.

    Raises:
        UnknownNameError, InputError: see `check`; also InputError if the number of days is too small.
    """
    check(settings)
    if settings.days is None:
        return
    together = FaultSet(settings.faults)
    minimum = together.minimum_days(settings)
    if settings.days < minimum:
        why = f"at least {minimum:g} days, the duration of the plan and the faults ({together.name})"
        do = f"Use --days {minimum:g}, or omit it for {max(together.days, minimum):g}"
        raise SimulationSettingsError(why, f"{settings.days:g}", "--days", do)
