"""A simulated fleet: its devices, its control plane and its rollout."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.options import PlanOptions, complete
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.event_queue import BEGIN, EventQueue, SeededRandom
from edgewright.fleet.simulator.learning import Learning
from edgewright.fleet.simulator.observer import Observer
from edgewright.fleet.simulator.rollout_plan import HOUR
from edgewright.fleet.simulator.served_fleet import Served
from edgewright.fleet.simulator.verification_cache import Verifier
from edgewright.schema.federation import RoundOutcome
from edgewright.schema.fleet_plan import Plan, Release


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a simulation.

    Attributes:
        devices: number of devices.
        days: simulated days; None for the fault's default.
        fault: name of a fault.
        rate: share of affected devices; None for the fault's default.
        also: more faults at the same time, each with its rate.
        plan: options of the plan; missing ones have the defaults of `fleet rollout start`.
        seed: seed of all random numbers.
        wait: seconds between two reports of a device without events.
        round_s: seconds between two rounds of the control plane, in which it asks the gates; None for a share of the
            shortest stage, from 60 s to 300 s.
        until_halted: end soon after the rollout is halted; only what was exposed counts then.
        shortcuts: skip work without effect; without shortcuts the result is the same but takes longer.
        learning: what the devices learn together before the rollout; None for a release from elsewhere.
    """

    devices: int
    days: float | None = None
    fault: str = "none"
    rate: float | None = None
    also: tuple[tuple[str, float | None], ...] = ()
    plan: PlanOptions = PlanOptions()
    seed: int = 0
    wait: float = 1800.0
    round_s: float | None = None
    until_halted: bool = False
    shortcuts: bool = True
    learning: Learning | None = None

    @property
    def rollout(self) -> PlanOptions:
        """The complete plan: default stages follow from the number of devices."""
        return complete(self.plan, self.devices)

    @property
    def rounds_s(self) -> float:
        """Seconds between two rounds of the control plane."""
        if self.round_s is not None:
            return self.round_s
        return min(300.0, max(60.0, min(stage.dwell for stage in self.rollout.stages) / 60.0))

    @property
    def faults(self) -> tuple[tuple[str, float | None], ...]:
        """Names of all faults, each with its rate."""
        return (self.fault, self.rate), *self.also

    @property
    def learning_days(self) -> float:
        """Longest time of the rounds of learning, in days, rounded up to 0.01."""
        return 0.0 if self.learning is None else math.ceil(100.0 * self.learning.longest_s / DAY) / 100.0


class SimulatedFleet:
    """All parts of a simulation, which faults modify and rules check.

    Args:
        settings: settings of the simulation.
        folder: empty folder for the fleet's files.
        days: simulated days.

    Attributes:
        end: end of the simulation, seconds since 1970.
        plan: plan of the rollout; None before its start.
        new, back: the new release and its rollback release.
        excluded: numbers of devices that need not update by the end.
        bad: whether the new release is bad.
        learned: what became of the rounds of learning; empty before their end, or without them.
        calm: returns whether reports without news may be skipped.
        behaviour: returns the behaviour of the new release on a device; called once for each.
        activated: called when a device has just activated the new release.
        changed: called when a device has changed.
    """

    def __init__(self, settings: Settings, folder: Path, days: float) -> None:
        self.settings, self.end = settings, BEGIN + days * 24 * HOUR
        self.events = EventQueue()
        self.chance = SeededRandom(settings.seed, "fleet")
        self.served = Served(folder, self.events, self.chance, settings.wait, exact=not settings.shortcuts)
        (folder / "verified").mkdir()
        self.verifier = Verifier(folder / "verified", self.served.fleet.metadata.parent, self.served.root)
        self.observer = Observer(self)
        self.plan: Plan | None = None
        self.new: Release | None = None
        self.back: Release | None = None
        self.devices: list[Device] = []
        self.excluded: set[int] = set()
        self.bad = False
        self.learned: tuple[RoundOutcome, ...] = ()
        self.calm: Callable[[], bool] = lambda: False
        self.behaviour: Callable[[Device], Behaviour] = lambda _: GOOD
        self.activated: Callable[[Device], None] = lambda _: None
        self.changed: Callable[[Device], None] = lambda _: None

    def add(self, name: str = "") -> Device:
        """Create another device, such as a clone; it is not enrolled and not in `devices`."""
        number = len(self.devices)
        chance = SeededRandom(self.settings.seed, name or f"device {number}")
        return Device(
            number, self.events, self.served, self.verifier, chance, self._behaviour, self.observer.note_outcome,
            self.observer.note_report, self.calm if self.settings.shortcuts else None,
        )  # fmt: skip

    def close(self) -> None:
        """Close files."""
        self.verifier.close()
        self.served.close()

    def _behaviour(self, device: Device, release: Release) -> Behaviour:
        if self.new is None or release.sha256 != self.new.sha256:
            return GOOD
        if device.new is None:
            device.new = self.behaviour(device)
        return device.new
