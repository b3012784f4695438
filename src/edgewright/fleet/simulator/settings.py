"""What is simulated, and the faults that there are."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.core import catalogue
from edgewright.fleet.simulator.combined_faults import Together
from edgewright.fleet.simulator.fault import SHORTEST, Fault
from edgewright.schema.errors import InputError, UnknownNameError

FAULTS = "edgewright.fleet.simulator.faults"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated.

    Attributes:
        devices: how many.
        days: simulated; None for as many as the fault needs.
        fault: name of a file in `faults`.
        rate: share of the devices that it concerns; None for the fault's own.
        also: more faults at the same time, each with its rate.
        seed: of everything that is drawn.
        wait: seconds between two reports of a device to which nothing happens.
        shortcuts: leave out what has no effect; without, the same comes out, later.
    """

    devices: int
    days: float | None = None
    fault: str = "none"
    rate: float | None = None
    also: tuple[tuple[str, float | None], ...] = ()
    seed: int = 0
    wait: float = 1800.0
    shortcuts: bool = True


def faults() -> dict[str, Fault]:
    """All faults by name; a name's dashes are underscores in its file."""
    known = {name.replace("_", "-"): name for name in catalogue.listing(FAULTS, "FAULT")}
    return {name: catalogue.find(FAULTS, file, "FAULT", "fault") for name, file in known.items()}


def broken(asked: Sequence[tuple[str, float | None]]) -> list[Fault]:
    """The faults that were named, each once; 'none' beside others is nothing.

    Raises:
        UnknownNameError: no such fault.
        InputError: one that is named twice.
    """
    found: dict[str, Fault] = {}
    known = faults()
    for name, rate in asked:
        fault = known.get(name)
        if fault is None:
            raise UnknownNameError("fault", name, known, "--break")
        if name in found:
            raise InputError("each fault once", f"{name} twice", "--break")
        found[name] = fault.at(name, rate)
    others = [one for name, one in found.items() if name != "none"]
    return others or list(found.values())


def check(settings: Settings) -> None:
    """Whether the settings make sense; nothing is simulated.

    Raises:
        UnknownNameError: no such fault.
        InputError: one that is named twice, or a number out of its range.
    """
    if not 4 <= settings.devices <= 1_000_000:
        raise InputError("4 to 1,000,000 devices", f"{settings.devices:,}", "N")
    asked = ((settings.fault, settings.rate), *settings.also)
    for name, rate in asked:
        if rate is not None and not 0.0 <= rate <= 1.0:
            raise InputError("a share from 0 to 1", f"{rate:g}", f"--break {name}")
    if settings.days is not None and not SHORTEST <= settings.days <= 60:
        raise InputError(f"{SHORTEST:g} to 60 days", f"{settings.days:g}", "--days")
    known = faults()
    broken(asked)
    for name, rate in asked:
        if rate is not None and not known[name].shared:
            raise InputError("no share: it is about all devices", f"{rate:g}", f"--break {name}", "Leave it out")


def long_enough(settings: Settings) -> None:
    """Whether what must hold in the end can hold after so few days; for people, who would take it for a failure.

    Raises:
        InputError: it cannot.
    """
    if settings.days is None:
        return
    together = Together(broken([(settings.fault, settings.rate), *settings.also]))
    if settings.days < together.least:
        why = f"at least {together.least:g} days, as the plan and what is broken ({together.name}) take so long"
        do = f"Say --days {together.least:g}, or leave it out for {together.days:g}"
        raise InputError(why, f"{settings.days:g}", "--days", do)
