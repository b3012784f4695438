"""How many devices each bad release would reach under a plan, and in which stage its fault would show."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from edgewright.fleet.protocol.plans.options import PlanOptions, complete
from edgewright.fleet.simulator.fault import known_faults
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.rollout_plan import minimum_days
from edgewright.fleet.simulator.simulation import Simulation, simulate

_REPORT_S = 900.0
_ROUND_S = 300.0
"""Seconds between two rounds of the control plane: a halt that comes later only exposes more."""
_MORE_DAYS = 0.25


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """One fault under one plan.

    Attributes:
        fault: its name; `words` what is broken.
        devices: of the fleet.
        stage: in which the fault showed first; the last one that was reached where it never did.
        within: devices that may begin up to that stage.
        exposed: devices that ran the bad release; `beyond` that stage.
        halted: the gates halted the rollout.
        held: it was not halted, and its stage did not end either.
    """

    fault: str
    words: str
    devices: int
    stage: str
    within: int
    exposed: int
    beyond: int
    halted: bool
    held: bool

    @property
    def end(self) -> str:
        """What became of the rollout, in a word."""
        return "halted" if self.halted else "held" if self.held else "finished"


def bad_releases() -> tuple[str, ...]:
    """Return the names of the standard faults: releases that must not reach everybody."""
    return tuple(name for name, fault in known_faults().items() if fault.bad)


def exposure(
    plan: PlanOptions, devices: int, fault: str, seed: int = 0, report_s: float = _REPORT_S, *,
    rate: float | None = None, ready: Callable[[Simulation], None] = lambda _: None,
) -> Exposure:  # fmt: skip
    """Roll one bad release out until it is halted, or the plan is over.

    Args:
        plan: that is rolled out.
        devices: of the fleet.
        fault: name of a bad release.
        seed: of the simulation.
        report_s: seconds between two reports of a device.
        rate: share of affected devices; None for the fault's default.
        ready: called before the simulation starts.

    Raises:
        InputError: there is no such plan.
    """
    days = minimum_days(complete(plan, devices), report_s) + _MORE_DAYS
    settings = Settings(
        devices=devices, days=days, fault=fault, rate=rate, plan=plan, seed=seed, wait=report_s,
        round_s=_ROUND_S, until_halted=True,
    )  # fmt: skip
    result = simulate(settings, ready)
    return Exposure(
        fault=fault, words=result.broken, devices=devices, stage=result.found, within=result.within,
        exposed=result.exposed, beyond=result.beyond, halted=result.halted is not None, held=not result.finished,
    )  # fmt: skip


def exposures(plan: PlanOptions, devices: int) -> Iterator[Exposure]:
    """Yield what each standard fault does under a plan."""
    for fault in bad_releases():
        yield exposure(plan, devices, fault)
