"""Runs one simulation from start to end, and one for each bad release to count the devices that it reaches."""

from __future__ import annotations

import base64
import gc
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.core.records.fleet import Enrolment
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.options import PlanOptions
from edgewright.fleet.simulator.device import POLL, Device
from edgewright.fleet.simulator.fault import FaultSet, check
from edgewright.fleet.simulator.fleet import Settings, SimulatedFleet
from edgewright.fleet.simulator.invariants import RULES
from edgewright.fleet.simulator.network import BEGIN, SeededRandom
from edgewright.fleet.simulator.result import (
    BEGINS,
    PARTS,
    FaultSummary,
    Point,
    Result,
    cohort_tags,
    detection_of,
    is_common,
    minimum_days,
    plan_for,
)  # fmt: skip
from edgewright.fleet.simulator.served_fleet import PRODUCT

PERIOD_S = 60.0


class Timeline:
    """Collects points of the timeline, at regular times and within a minute of every change.

    A device's release and trial change only together with an outcome. So a point after a change updates only the
    changed devices, and a point at a regular time updates all devices.

    Attributes:
        points: points so far.
    """

    def __init__(self, fleet: SimulatedFleet, counts: Callable[[], dict[str, int]]) -> None:
        self._fleet, self._counts = fleet, counts
        self.points: list[Point] = []
        self._shown: list[tuple[int, bool]] = []
        self._versions: Counter[int] = Counter()
        self._trials = 0
        self._changed: set[int] = set()
        self._looking = False

    def look(self, whole: bool = True) -> None:
        """Add a point.

        Args:
            whole: update all devices, not only the changed ones.
        """
        devices = self._fleet.devices
        for device in devices[len(self._shown) :]:
            self._shown.append((device.device_state.counter, False))
            self._versions[device.device_state.counter] += 1
            self._changed.add(device.number)
        for device in devices if whole else [devices[number] for number in sorted(self._changed)]:
            self._take(device)
        self._changed.clear()
        self.points.append(
            Point(
                at=self._fleet.events.elapsed, versions={v: n for v, n in sorted(self._versions.items()) if n},
                trial=self._trials, away=sum(d.off or (bool(d.link.away) and d.link.down) for d in devices),
                did=self._counts(), ended=dict(sorted(self._fleet.observer.ends.items())),
            )
        )  # fmt: skip

    def changed(self, device: Device) -> None:
        """Record a changed device; at most one additional point per minute is added."""
        self._changed.add(device.number)
        if not self._looking:
            self._looking = True
            self._fleet.events.after(PERIOD_S, self._soon)

    def _soon(self) -> None:
        self._looking = False
        self.look(whole=False)

    def _take(self, device: Device) -> None:
        current = device.device_state
        now = (current.counter, current.trial is not None)
        before = self._shown[device.number]
        if now == before:
            return
        self._versions[before[0]] -= 1
        self._versions[now[0]] += 1
        self._trials += now[1] - before[1]
        self._shown[device.number] = now


BATCHES = 20
_POINTS, _SEARCHED = 96, 8
_GROUP = 512
_RESTS = 30  # rounds, of which one is enough where no rollout is under way


class Simulation:
    """Simulates a fleet with faults.

    Args:
        settings: settings of the simulation.
        folder: empty folder for the fleet's files.

    Attributes:
        days: simulated days.
        fleet: the simulated fleet.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._faults = FaultSet(settings.faults)
        whole = minimum_days(settings.rollout, settings.wait)
        if settings.devices == 1:  # what is measured on a single device counts after as much time again
            whole += settings.rollout.stages[-1].dwell / DAY
        needed = max(self._faults.days, whole)
        self.days = needed if settings.days is None else settings.days
        self.fleet = fleet = SimulatedFleet(settings, folder, self.days)
        self._timeline = Timeline(
            fleet, lambda: {fault.name: fault.count(fleet) for fault in self._faults.each if fault.did}
        )
        self._rounds = 0
        fleet.served.published = self._published
        fleet.bad = any(fault.bad for fault in self._faults.each)
        fleet.calm = self._calm
        fleet.behaviour = self._faults.behaviour
        fleet.activated, fleet.changed = self._activated, self._timeline.changed
        for _ in range(settings.devices):
            fleet.devices.append(fleet.add())
        self._enrol()
        fleet.served.look()

    def run(self, passed: Callable[[float], None] = lambda _: None) -> Result:
        """Run the simulation; `passed` is called periodically with the completed share, 0 to 1."""
        fleet = self.fleet
        for device in fleet.devices:
            device.boot()
        for fault in self._faults.each:
            fault.prepare(fleet)
        for device in fleet.devices:
            device.wake(POLL)
        fleet.events.after(fleet.settings.rounds_s, self._round)
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
        """Whether the gates are asked no more: the rollout is halted, or was finished and watched."""
        fleet, finished = self.fleet, self.fleet.observer.finished
        watched = fleet.plan is not None and finished is not None and fleet.events.now > finished + fleet.plan.watch
        return fleet.observer.halted is not None or watched

    def _calm(self) -> bool:
        """Return whether reports without news may be skipped: the rollout is over, and no fault needs them."""
        return self._over and all(fault.calm for fault in self._faults.each)

    def _activated(self, device: Device) -> None:
        for fault in self._faults.each:
            fault.activated(self.fleet, device)

    def _enrol(self) -> None:
        fleet = self.fleet
        batches = min(BATCHES, len(fleet.devices))
        secrets = [fleet.chance.bytes(18).hex() for _ in range(batches)]
        for number, secret in enumerate(secrets):
            tags = _tags(fleet.settings.rollout, number)
            fleet.served.token(secret, f"batch-{number + 1}", len(fleet.devices), tags)
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
        for happened in self.fleet.served.tick():
            self.fleet.observer.note_event(happened)

    def _round(self) -> None:
        over = self.fleet.plan is None or self._over
        self._rounds += 1
        if not over or self._rounds % _RESTS == 0:
            self._tick()
        self.fleet.events.after(self.fleet.settings.rounds_s, self._round)

    def _begin(self) -> None:
        fleet = self.fleet
        fleet.new, fleet.back = fleet.served.release(2)
        self._tick()
        salt = SeededRandom(fleet.settings.seed, "plan").bytes(32)
        fleet.plan = plan_for(fleet.settings.rollout, fleet.new, fleet.back, fleet.events.now, salt)
        fleet.served.start(fleet.plan)
        stages = ", ".join(f"{stage.name} {stage.percent:g} %" for stage in fleet.plan.stages)
        fleet.observer.say(f"release {fleet.new.counter} is signed and its rollout begins: {stages}")
        for fault in self._faults.each:
            fault.started(fleet)

    def _result(self) -> Result:
        fleet, faults, observer = self.fleet, self._faults, self.fleet.observer
        names = dict.fromkeys((*faults.always, *faults.holds))
        summaries = tuple(FaultSummary(name=f.name, rate=f.rate, words=f.words, did=f.did) for f in faults.each)
        releases = {1: "the old one", 2: "the new one", 3: "the rollback release: the old bytes under a new number"}
        return Result(
            fault=faults.name, rate=faults.each[0].rate, faults=summaries, broken=faults.words,
            devices=fleet.settings.devices, days=self.days, seed=fleet.settings.seed, releases=releases,
            canary=len(observer.within(0)), exposed=len(observer.exposed), halted=observer.halted_after(),
            stage=fleet.settings.rollout.stages[observer.detected_stage].name,
            within=len(observer.within(observer.detected_stage)),
            beyond=len(observer.beyond()) if fleet.bad else 0, finished=observer.finished is not None,
            timeline=tuple(self._timeline.points), story=tuple(observer.lines), states=fleet.verifier.newest,
            outcomes=dict(sorted(observer.outcomes.items())), verdicts=tuple(RULES[name](fleet) for name in names),
            detection=detection_of(fleet.settings.rollout, fleet.settings.devices),
        )  # fmt: skip


def _tags(plan: PlanOptions, batch: int) -> tuple[str, ...]:
    """Return the tags of a batch of devices: cohorts of all stages; for every tenth batch also other cohorts."""
    tags = cohort_tags(plan).items()
    return tuple(
        tag for index, (name, tag) in enumerate(tags) if is_common(plan, name) or batch % PARTS == index % PARTS
    )


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Turn off Python's automatic cycle collection, which takes a third of the time with millions of permanent objects.

    `Simulation.run` collects young objects periodically.
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
        settings: settings of the simulation.
        ready: called before the simulation starts.
        passed: see `Simulation.run`.

    Raises:
        UnknownNameError, InputError: see `fault.check`.
    """
    check(settings)
    with tempfile.TemporaryDirectory(prefix="edgewright-simulate-") as folder, _seldom_collected():
        simulation = Simulation(settings, Path(folder))
        try:
            ready(simulation)
            return simulation.run(passed)
        finally:
            simulation.fleet.close()
