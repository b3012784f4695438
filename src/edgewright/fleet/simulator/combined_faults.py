"""Several faults at once: each does what it does, and what must hold is what holds under all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgewright.fleet.simulator.behaviour import GOOD, Behaviour, worse
from edgewright.fleet.simulator.default_plan import least_days
from edgewright.fleet.simulator.fault import GETS_THERE, TAKEN_BACK, Fault

if TYPE_CHECKING:
    from edgewright.fleet.simulator.device import Device
    from edgewright.fleet.simulator.simulation import Simulation


class Together:
    """As one `Fault`.

    Args:
        each: at least one, with names and rates; done in this order.
    """

    def __init__(self, each: Sequence[Fault]) -> None:
        self.each = tuple(each)

    @property
    def name(self) -> str:
        """Of all."""
        return " + ".join(one.name for one in self.each)

    @property
    def words(self) -> str:
        """What is broken."""
        return "; ".join(one.words(one.rate) for one in self.each)

    @property
    def days(self) -> float:
        """As long as the longest."""
        return max(one.days for one in self.each)

    @property
    def least(self) -> float:
        """As the longest; and where everybody is to get there, as long as the plan."""
        whole = [least_days()] if "everybody gets there" in self.holds else []
        return max(*(one.least for one in self.each), *whole, 0.0)

    @property
    def calm(self) -> bool:
        """Whether all are."""
        return all(one.calm for one in self.each)

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
        """The worst of all."""
        found = GOOD
        for one in self.each:
            found = worse(found, one.behaviour(device))
        return found

    def prepare(self, simulation: Simulation) -> None:
        """As `Fault.prepare`."""
        for one in self.each:
            one.prepare(simulation)

    def started(self, simulation: Simulation) -> None:
        """As `Fault.started`."""
        for one in self.each:
            one.started(simulation)

    def activated(self, simulation: Simulation, device: Device) -> None:
        """As `Fault.activated`."""
        for one in self.each:
            one.activated(simulation, device)

    def counts(self, simulation: Simulation) -> dict[str, int]:
        """What each did, by name; nothing of one that does nothing."""
        return {one.name: one.count(simulation) for one in self.each if one.did}
