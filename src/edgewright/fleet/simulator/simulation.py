"""One simulation from its first moment to its last."""

from __future__ import annotations

import base64
import gc
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.fleet.protocol.plans.decision import place
from edgewright.fleet.simulator.default_plan import BEGINS, QUORUM, plan_for
from edgewright.fleet.simulator.device import POLL, Device
from edgewright.fleet.simulator.event_queue import BEGIN, SeededRandom
from edgewright.fleet.simulator.fault import ALWAYS, FaultSet, check
from edgewright.fleet.simulator.fleet import Settings, SimulatedFleet, Timeline
from edgewright.fleet.simulator.invariants import RULES
from edgewright.fleet.simulator.result import FaultSummary, Result
from edgewright.fleet.simulator.served_fleet import PRODUCT
from edgewright.schema.fleet_plan import Plan, Release
from edgewright.schema.fleet_report import Enrolment

BATCHES = 20
_POINTS, _SEARCHED = 96, 8
_SALTS = 32
_GROUP = 512
_ROUND, _RESTS = 60.0, 30  # seconds; rounds, of which one is enough where no rollout is under way


class Simulation:
    """Runs a fleet through its days, with something broken.

    Args:
        settings: what is simulated.
        folder: empty; for the fleet's files.

    Attributes:
        days: that are simulated.
        fleet: that takes part.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._faults = FaultSet(settings.faults)
        self.days = self._faults.days if settings.days is None else settings.days
        self.fleet = fleet = SimulatedFleet(settings, folder, self.days)
        self._timeline = Timeline(fleet, lambda: {one.name: one.count(fleet) for one in self._faults.each if one.did})
        self._rounds = 0
        fleet.served.published = self._published
        fleet.bad = any(one.bad for one in self._faults.each)
        fleet.calm = self._calm
        fleet.behaviour = self._faults.behaviour
        fleet.activated, fleet.changed = self._activated, self._timeline.changed
        for _ in range(settings.devices):
            fleet.devices.append(fleet.add())
        self._enrol()
        fleet.served.look()

    def run(self, passed: Callable[[float], None] = lambda _: None) -> Result:
        """Let the time go by; `passed` is called now and then with the share of it that is over, 0 to 1."""
        fleet = self.fleet
        for device in fleet.devices:
            device.boot()
        for fault in self._faults.each:
            fault.prepare(fleet)
        for device in fleet.devices:
            device.wake(POLL)
        fleet.events.after(_ROUND, self._round)
        fleet.events.after(BEGINS, self._begin)
        for number in range(_POINTS + 1):
            fleet.events.run(BEGIN + (fleet.end - BEGIN) * number / _POINTS)
            self._timeline.look()
            if number % _SEARCHED == 0:
                gc.collect(1)
            passed(number / _POINTS)
        fleet.observer.close()
        return self._result()

    @property
    def _over(self) -> bool:
        return self.fleet.observer.halted is not None or self.fleet.observer.finished is not None

    def _calm(self) -> bool:
        """Return whether nobody waits for reports that say nothing new: the rollout is over, no fault is about them."""
        return self._over and all(one.calm for one in self._faults.each)

    def _activated(self, device: Device) -> None:
        for fault in self._faults.each:
            fault.activated(self.fleet, device)

    def _enrol(self) -> None:
        fleet = self.fleet
        batches = min(BATCHES, len(fleet.devices))
        secrets = [fleet.chance.bytes(18).hex() for _ in range(batches)]
        for number, secret in enumerate(secrets):
            fleet.served.token(secret, f"batch-{number + 1}", len(fleet.devices))
        for first in range(0, len(fleet.devices), _GROUP):
            group = fleet.devices[first : first + _GROUP]
            requests = [
                Enrolment(
                    token=secrets[device.number % batches], key=base64.b64encode(device.chance.bytes(32)).decode(),
                    name=device.name, profile="gateway", product=PRODUCT,
                )
                for device in group
            ]  # fmt: skip
            for device, answer in zip(group, fleet.served.enrol_all(requests), strict=True):
                device.enrolled(answer)

    def _published(self) -> None:
        self.fleet.verifier.published(self.fleet.events.now)
        for device in self.fleet.devices:
            if not device.off:
                device.wake(POLL)

    def _tick(self) -> None:
        """Run one round of the control plane."""
        for happened in self.fleet.served.tick():
            self.fleet.observer.note_event(happened)

    def _round(self) -> None:
        over = self.fleet.plan is None or self._over
        self._rounds += 1
        if not over or self._rounds % _RESTS == 0:
            self._tick()
        self.fleet.events.after(_ROUND, self._round)

    def _begin(self) -> None:
        fleet = self.fleet
        fleet.new, fleet.back = fleet.served.release(2, fleet.served.old)
        self._tick()
        fleet.plan = self._plan(fleet.new, fleet.back)
        fleet.served.start(fleet.plan)
        stages = ", ".join(f"{stage.name} {stage.percent:g} %" for stage in fleet.plan.stages)
        fleet.observer.say(f"release {fleet.new.counter} is signed and its rollout begins: {stages}")
        for fault in self._faults.each:
            fault.started(fleet)

    def _plan(self, new: Release, back: Release | None) -> Plan:
        """Make the plan as somebody signs it who looks first whether its canary has as many devices as gates need."""
        fleet = self.fleet
        for number in range(_SALTS):
            salt = SeededRandom(fleet.settings.seed, f"plan {number}").bytes(32)
            plan = plan_for(new, back, fleet.settings.devices, fleet.events, salt)
            first = plan.stages[0].percent
            there = sum(place(plan.salt, plan.id, device.id) < first for device in fleet.devices)
            if there >= max(QUORUM, 0.8 * first / 100.0 * fleet.settings.devices):
                break
        return plan

    def _result(self) -> Result:
        fleet, faults, observer = self.fleet, self._faults, self.fleet.observer
        names = dict.fromkeys((*ALWAYS, *faults.holds))
        summaries = tuple(FaultSummary(name=f.name, rate=f.rate, words=f.words, did=f.did) for f in faults.each)
        releases = {1: "the old one", 2: "the new one", 3: "the way back: the old bytes under a new number"}
        return Result(
            fault=faults.name, rate=faults.each[0].rate, faults=summaries, broken=faults.words,
            devices=fleet.settings.devices, days=self.days, seed=fleet.settings.seed, releases=releases,
            canary=len(observer.canary()), exposed=len(observer.exposed), halted=observer.halted_after(),
            timeline=tuple(self._timeline.points), story=tuple(observer.lines), states=fleet.verifier.newest,
            outcomes=dict(sorted(observer.outcomes.items())), held=tuple(RULES[name](fleet) for name in names),
        )  # fmt: skip


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Turn off Python's search for cycles among millions of objects that live to the end: a third of the time.

    What is young is searched at every few even times of the timeline.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def simulate(
    settings: Settings,
    ready: Callable[[Simulation], None] = lambda _: None,
    passed: Callable[[float], None] = lambda _: None,
) -> Result:
    """Run one simulation.

    Args:
        settings: what is simulated.
        ready: called before the first moment.
        passed: as of `Simulation.run`.

    Raises:
        UnknownNameError, InputError: as `fault.check`.
    """
    check(settings)
    with tempfile.TemporaryDirectory(prefix="edgewright-simulate-") as folder, _seldom_collected():
        simulation = Simulation(settings, Path(folder))
        try:
            ready(simulation)
            return simulation.run(passed)
        finally:
            simulation.fleet.close()
