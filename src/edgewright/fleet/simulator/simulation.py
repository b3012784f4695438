"""One simulation from its first moment to its last."""

from __future__ import annotations

import base64
import gc
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edgewright.fleet.protocol.plans.position import place
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour
from edgewright.fleet.simulator.combined_faults import Together
from edgewright.fleet.simulator.default_plan import BEGINS, HOUR, QUORUM, plan_for
from edgewright.fleet.simulator.device import POLL, Device
from edgewright.fleet.simulator.fault import ALWAYS
from edgewright.fleet.simulator.invariants import RULES
from edgewright.fleet.simulator.observer import Watch
from edgewright.fleet.simulator.result import Broke, Result
from edgewright.fleet.simulator.served_fleet import PRODUCT, Served
from edgewright.fleet.simulator.settings import Settings, broken, check
from edgewright.fleet.simulator.timeline import Timeline
from edgewright.fleet.simulator.verification_cache import Verifier
from edgewright.fleet.simulator.world import BEGIN, Drawn, World
from edgewright.schema.fleet_plan import Plan, Release
from edgewright.schema.fleet_report import Enrolment

BATCHES = 20
_POINTS, _SEARCHED = 96, 8
_SALTS = 32
_GROUP = 512
_ROUND, _RESTS = 60.0, 30  # seconds; rounds, of which one is enough where no rollout is under way


class Simulation:
    """Everything that takes part.

    Args:
        settings: as above.
        folder: empty; for the fleet's files.

    Attributes:
        plan: that is rolled out; None before it begins.
        new, back: the release that is rolled out, and its way back.
        excluded: numbers of devices that need not get there in the end.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.faults = Together(broken([(settings.fault, settings.rate), *settings.also]))
        self.days = self.faults.days if settings.days is None else settings.days
        self.world = World()
        self.chance = Drawn(settings.seed, "fleet")
        self.served = Served(folder, self.world, self.chance, settings.wait, exact=not settings.shortcuts)
        (folder / "verified").mkdir()
        self.verifier = Verifier(folder / "verified", self.served.fleet.metadata.parent, self.served.root)
        self.watch = Watch(self)
        self.served.published = self._published
        self.plan: Plan | None = None
        self.new: Release | None = None
        self.back: Release | None = None
        self.timeline = Timeline(self)
        self.excluded: set[int] = set()
        self._rounds = 0
        self.devices = [self._device(number) for number in range(settings.devices)]
        self._enrol()
        self.served.look()

    @property
    def end(self) -> float:
        """Seconds since 1970 at which it is over."""
        return BEGIN + self.days * 24 * HOUR

    def run(self, passed: Callable[[float], None] = lambda _: None) -> Result:
        """Lets the time go by; `passed` is called now and then with the share of it that is over, 0 to 1."""
        for device in self.devices:
            device.boot()
        self.faults.prepare(self)
        for device in self.devices:
            device.wake(POLL)
        self.world.after(_ROUND, self._round)
        self.world.after(BEGINS, self._begin)
        for number in range(_POINTS + 1):
            self.world.run(BEGIN + (self.end - BEGIN) * number / _POINTS)
            self.timeline.look()
            if number % _SEARCHED == 0:
                gc.collect(1)
            passed(number / _POINTS)
        self.watch.close()
        return self._result()

    def close(self) -> None:
        """Lets go of files."""
        self.verifier.close()
        self.served.close()

    def say(self, text: str) -> None:
        """A line of the story."""
        self.watch.say(text)

    def add(self, name: str) -> Device:
        """One more device, such as a clone; it is not enrolled."""
        return self._device(len(self.devices), name)

    def tick(self) -> None:
        """One round of the control plane."""
        for happened in self.served.tick():
            self.watch.happened(happened)

    @property
    def _over(self) -> bool:
        return self.watch.halted is not None or self.watch.finished is not None

    def _calm(self) -> bool:
        """Whether nobody waits for reports that say nothing new: the rollout is over, no fault is about them."""
        return self._over and self.faults.calm

    def _device(self, number: int, name: str = "") -> Device:
        chance = Drawn(self.settings.seed, name or f"device {number}")
        device = Device(
            number, self.world, self.served, self.verifier, chance, lambda _: GOOD, self.watch.told, self.watch.heard,
            self._calm if self.settings.shortcuts else None,
        )  # fmt: skip
        device.behaving = partial(self._behaviour, device)
        return device

    def _behaviour(self, device: Device, release: Release) -> Behaviour:
        if self.new is None or release.sha256 != self.new.sha256:
            return GOOD
        if device.new is None:
            device.new = self.faults.behaviour(device)
        return device.new

    def _enrol(self) -> None:
        batches = min(BATCHES, len(self.devices))
        secrets = [self.chance.bytes(18).hex() for _ in range(batches)]
        for number, secret in enumerate(secrets):
            self.served.token(secret, f"batch-{number + 1}", len(self.devices))
        for first in range(0, len(self.devices), _GROUP):
            group = self.devices[first : first + _GROUP]
            asked = [
                Enrolment(
                    token=secrets[device.number % batches], key=base64.b64encode(device.chance.bytes(32)).decode(),
                    name=device.name, profile="gateway", product=PRODUCT,
                )
                for device in group
            ]  # fmt: skip
            for device, answer in zip(group, self.served.enrol_all(asked), strict=True):
                device.enrolled(answer)

    def _published(self) -> None:
        self.verifier.published(self.world.now)
        for device in self.devices:
            if not device.off:
                device.wake(POLL)

    def _round(self) -> None:
        over = self.plan is None or self._over
        self._rounds += 1
        if not over or self._rounds % _RESTS == 0:
            self.tick()
        self.world.after(_ROUND, self._round)

    def _begin(self) -> None:
        self.new, self.back = self.served.release(2, self.served.old)
        self.tick()
        self.plan = self._plan(self.new)
        self.served.start(self.plan)
        stages = ", ".join(f"{stage.name} {stage.percent:g} %" for stage in self.plan.stages)
        self.say(f"release {self.new.counter} is signed and its rollout begins: {stages}")
        self.faults.started(self)

    def _plan(self, new: Release) -> Plan:
        """The plan as somebody signs it who looks first whether its canary has as many devices as the gates need."""
        for number in range(_SALTS):
            salt = Drawn(self.settings.seed, f"plan {number}").bytes(32)
            plan = plan_for(new, self.back, self.settings.devices, self.world, salt)
            first = plan.stages[0].percent
            there = sum(place(plan.salt, plan.id, device.id) < first for device in self.devices)
            if there >= max(QUORUM, 0.8 * first / 100.0 * self.settings.devices):
                break
        return plan

    def _result(self) -> Result:
        names = dict.fromkeys((*ALWAYS, *self.faults.holds))
        broke = tuple(Broke(name=f.name, rate=f.rate, words=f.words(f.rate), did=f.did) for f in self.faults.each)
        releases = {1: "the old one", 2: "the new one", 3: "the way back: the old bytes under a new number"}
        return Result(
            fault=self.faults.name, rate=self.faults.each[0].rate, faults=broke, broken=self.faults.words,
            devices=self.settings.devices, days=self.days, seed=self.settings.seed, releases=releases,
            canary=len(self.watch.canary()), exposed=len(self.watch.exposed), halted=self.watch.halted_after(),
            timeline=tuple(self.timeline.points), story=tuple(self.watch.lines), states=self.verifier.newest,
            outcomes=dict(sorted(self.watch.outcomes.items())), held=tuple(RULES[name](self) for name in names),
        )  # fmt: skip


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Without Python's own search for cycles among millions of objects that all live to the end: a third of the time.

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
    """Runs one.

    Args:
        settings: what is simulated.
        ready: called before the first moment.
        passed: as of `Simulation.run`.

    Raises:
        UnknownNameError, InputError: as `settings.check`.
    """
    check(settings)
    with tempfile.TemporaryDirectory(prefix="edgewright-simulate-") as folder, _seldom_collected():
        simulation = Simulation(settings, Path(folder))
        try:
            ready(simulation)
            return simulation.run(passed)
        finally:
            simulation.close()
