"""A simulated fleet: its devices, its control plane and its rollout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgewright.core.records.fleet import Outcome, Plan, Release, Report
from edgewright.fleet.protocol.plans.decision import Traits, first_stage
from edgewright.fleet.protocol.plans.detection import tolerated
from edgewright.fleet.protocol.plans.gates import failed
from edgewright.fleet.protocol.plans.options import PlanOptions, complete
from edgewright.fleet.server.rollouts.scheduler import SchedulerEvent
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour
from edgewright.fleet.simulator.device import POLL, Device, Verifier
from edgewright.fleet.simulator.network import BEGIN, EventQueue, SeededRandom
from edgewright.fleet.simulator.result import HOUR, Line
from edgewright.fleet.simulator.served_fleet import Served

TOLERATED = 0.05
"""Share of a stage's devices, at least one device, that may fail before the fault counts as found."""
_CHAPTER_S = 3600.0


@dataclass
class Observer:
    """Records events without changing anything.

    Attributes:
        fleet: the observed fleet.
        lines: lines of the story.
        outcomes: number of outcomes by kind.
        ends: number of outcomes of the new release: 'activated', 'confirmed', 'reverted', 'refused', 'called back'.
        exposed: first activation of the new release by device number, seconds since 1970.
        begun: time and device of every activation of the new release.
        ended: time at which the control plane received the end of a trial, by device number.
        shown: time of the first report with bad figures, by device number.
        halted, finished: time at which the rollout was halted or finished; None if it was not.
        stage: index of the current or last stage in the plan.
        missed: the first stage that ended although the fault appeared in it; None for none.
        wrong: descriptions of forbidden activations by violated rule.
    """

    fleet: SimulatedFleet
    lines: list[Line] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    exposed: dict[int, float] = field(default_factory=dict)
    begun: list[tuple[float, Device]] = field(default_factory=list)
    ended: dict[int, float] = field(default_factory=dict)
    shown: dict[int, float] = field(default_factory=dict)
    halted: float | None = None
    finished: float | None = None
    wrong: dict[str, list[str]] = field(default_factory=dict)
    stage: int = 0
    missed: int | None = None
    _failing: set[int] = field(default_factory=set)
    _floors: dict[int, int] = field(default_factory=dict)
    _canary: dict[int, int | None] = field(default_factory=dict)
    _chapter: Counter[str] = field(default_factory=Counter)
    _since: float = 0.0
    _seen: set[str] = field(default_factory=set)

    def stages(self) -> dict[int, int | None]:
        """Return the first stage of the plan for each device, by its number."""
        plan = self.fleet.plan
        if plan is not None and not self._canary:
            self._canary = {
                device.number: first_stage(
                    plan,
                    Traits(
                        device=device.id, product=plan.release.product, counter=1, profile="gateway", tags=device.tags
                    ),
                )
                for device in self.fleet.devices
            }
        return self._canary

    def within(self, last: int) -> set[int]:
        """Return the numbers of the devices in all stages up to one."""
        return {number for number, stage in self.stages().items() if stage is not None and stage <= last}

    @property
    def detected_stage(self) -> int:
        """Return the stage in which the fault was or could have been found: the first stage in which it appeared."""
        return self.stage if self.missed is None else self.missed

    def beyond(self) -> set[int]:
        """Return numbers of the devices that ran the new release beyond that stage."""
        return self.exposed.keys() - self.within(self.detected_stage)

    def halted_after(self) -> float | None:
        """Return the seconds from the start to the halt; None without a halt."""
        return None if self.halted is None else self.halted - BEGIN

    def note_outcome(self, device: Device, outcome: Outcome) -> None:
        """Record a durable outcome of a device."""
        new, now = self.fleet.new, self.fleet.events.now
        self.outcomes[f"{outcome.result} {outcome.because}".strip()] += 1
        if outcome.result == "activated":
            self._activated(device, outcome)
        if outcome.result == "confirmed":
            self._floors[device.number] = max(self._floors.get(device.number, 0), outcome.counter)
        if outcome.result == "activated" and new is not None and outcome.counter == new.counter:
            self.exposed.setdefault(device.number, now)
            self.begun.append((now, device))
            self.fleet.activated(device)
        self._note(outcome)
        self.fleet.changed(device)

    def note_report(self, device: Device, report: Report) -> None:
        """Record an acknowledged report."""
        for outcome in report.outcomes:
            bad = failed(outcome.result, outcome.because)
            if bad is not None:
                self.ended.setdefault(device.number, self.fleet.events.now)
            if bad and self.fleet.bad:
                self._failing.add(device.number)
        if self.fleet.bad and device.alter_report is None and device.runner.ailing():
            self._failing.add(device.number)
            self.shown.setdefault(device.number, self.fleet.events.now)

    def note_event(self, happened: SchedulerEvent) -> None:
        """Record an event of the scheduler."""
        now = self.fleet.events.now
        if happened.kind == "halted":
            self.halted = now
            self.say(f"the rollout is HALTED and devices are rolled back: {happened.why}")
        elif happened.kind == "finished":
            self._ended()
            self.finished = now
            self.say(f"the rollout is finished; {happened.why.partition(' is over')[0]} was its last")
        elif happened.kind == "stage":
            self._ended()
            self.stage += 1
            self.say(f"all gates pass; the next stage begins, after {happened.why.partition(' is over')[0]}")
        elif happened.kind == "failed" and self.first(happened.why):
            self.say(f"an action of the control plane failed: {happened.why}")

    def first(self, key: str) -> bool:
        """Return whether this is the first call with this key."""
        new = key not in self._seen
        self._seen.add(key)
        return new

    def say(self, text: str) -> None:
        """Add a line to the story, after a line with the earlier events of devices."""
        self._flush()
        self.lines.append(Line(at=self.fleet.events.elapsed, text=text))

    def close(self) -> None:
        """End the last chapter."""
        self._flush()

    def _ended(self) -> None:
        """Record whether the fault appears in the ending stage, in reports or in overdue reports."""
        fleet = self.fleet
        if not fleet.bad or self.missed is not None:
            return
        overdue = fleet.events.now - fleet.settings.wait - 2 * POLL
        counted = self.exposed.keys() - fleet.excluded
        down = {
            number for number in counted if fleet.devices[number].off and fleet.devices[number].downs[-1][0] < overdue
        }
        showing = len((self._failing | down) & counted)
        missing = fleet.plan is not None and len(down) > tolerated(fleet.plan.unconfirmed, len(counted))
        if showing > max(1.0, TOLERATED * len(counted)) or 0 < len(counted) == showing or missing:
            self.missed = self.stage

    def _activated(self, device: Device, outcome: Outcome) -> None:
        current, text = device.device_state, f"{device.name} activated release {outcome.counter}"
        release = device.disk.slots[current.active]
        known = (self.fleet.served.old, self.fleet.new, self.fleet.back)
        signed = next((item for item in known if item is not None and item.counter == outcome.counter), None)
        if release is None or signed is None or device.disk.digests[current.active] != signed.sha256:
            self.wrong.setdefault("signed", []).append(f"{text}, which is not signed")
        if outcome.counter < self._floors.get(device.number, 1):
            self.wrong.setdefault("older", []).append(f"{text} after {self._floors[device.number]}")

    def _note(self, outcome: Outcome) -> None:
        new = self.fleet.new
        subject = ""
        if new is not None and outcome.counter == new.counter:
            subject = {
                "activated": "started release {counter}",
                "confirmed": "confirmed release {counter} after their trial",
                "reverted": "rolled back from release {counter} ({because})",
                "refused": "refused release {counter} ({because})",
            }.get(outcome.result, "").format(counter=outcome.counter, because=outcome.because)  # fmt: skip
        elif outcome.result == "activated":
            subject = f"were rolled back to the old bytes, release {outcome.counter}"
        if not subject:
            return
        now = self.fleet.events.elapsed
        if self._chapter and now - self._since > _CHAPTER_S:
            self._flush()
        if not self._chapter:
            self._since = now
        self._chapter[subject] += 1
        self.ends[outcome.result if new is not None and outcome.counter == new.counter else "called back"] += 1

    def _flush(self) -> None:
        if self._chapter:
            text = "; ".join(f"{count:,} {event}" for event, count in self._chapter.items())
            self.lines.append(Line(at=self._since, text=f"devices: {text}"))
            self._chapter.clear()


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
        shortcuts: skip work without effect; without shortcuts the result is the same but takes longer.
    """

    devices: int
    days: float | None = None
    fault: str = "none"
    rate: float | None = None
    also: tuple[tuple[str, float | None], ...] = ()
    plan: PlanOptions = PlanOptions()
    seed: int = 0
    wait: float = 1800.0
    shortcuts: bool = True

    @property
    def rollout(self) -> PlanOptions:
        """The complete plan: default stages follow from the number of devices."""
        return complete(self.plan, self.devices)

    @property
    def rounds_s(self) -> float:
        """Seconds between two rounds of the control plane, in which it asks the gates."""
        return min(300.0, max(60.0, min(stage.dwell for stage in self.rollout.stages) / 60.0))

    @property
    def faults(self) -> tuple[tuple[str, float | None], ...]:
        """Names of all faults, each with its rate."""
        return (self.fault, self.rate), *self.also


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
