"""A simulated fleet: its devices, its control plane, what is rolled out, and what an observer saw of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgewright.fleet.protocol.plans.decision import Traits, first_stage
from edgewright.fleet.protocol.plans.gates import failed
from edgewright.fleet.server.rollouts.scheduler import SchedulerEvent
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour
from edgewright.fleet.simulator.default_plan import HOUR
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.event_queue import BEGIN, EventQueue, SeededRandom
from edgewright.fleet.simulator.result import Line, Point
from edgewright.fleet.simulator.served_fleet import Served
from edgewright.fleet.simulator.verification_cache import Verifier
from edgewright.schema.fleet_plan import Plan, Release
from edgewright.schema.fleet_report import Outcome, Report

_CHAPTER = HOUR


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated.

    Attributes:
        devices: how many.
        days: simulated; None for as many as the fault needs.
        fault: name of a fault.
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

    @property
    def faults(self) -> tuple[tuple[str, float | None], ...]:
        """Names of all faults, each with its rate."""
        return (self.fault, self.rate), *self.also


class SimulatedFleet:
    """Everything that takes part in a simulation: what faults change and rules judge.

    Args:
        settings: as above.
        folder: empty; for the fleet's files.
        days: that are simulated.

    Attributes:
        end: seconds since 1970 at which it is over.
        plan: that is rolled out; None before it begins.
        new, back: the release that is rolled out, and its way back.
        excluded: numbers of devices that need not get there in the end.
        bad: the new release is bad.
        calm: whether nobody waits for reports that say nothing new.
        behaviour: how the new release behaves on a device; asked once for each.
        activated: called when a device has just activated the new release.
        changed: called when a device is not as it was.
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
        """Make one more device, such as a clone; it is neither enrolled nor in `devices`."""
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


class Observer:
    """Sees everything and changes nothing.

    Attributes:
        lines: of the story.
        outcomes: of devices, counted by what they were.
        ends: what became of the new release, counted: 'activated', 'confirmed', 'reverted', 'refused', 'called back'.
        exposed: devices that activated the new release, and when first; seconds since 1970.
        begun: (when, device) of every activation of it.
        ended: devices whose trial's end the control plane has heard of, and when.
        halted, finished: when the rollout was; None where it was not.
        wrong: activations that no device may ever make, in words, by the rule that they break.
    """

    def __init__(self, fleet: SimulatedFleet) -> None:
        self._fleet = fleet
        self.lines: list[Line] = []
        self.outcomes: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.exposed: dict[int, float] = {}
        self.begun: list[tuple[float, Device]] = []
        self.ended: dict[int, float] = {}
        self.halted: float | None = None
        self.finished: float | None = None
        self.wrong: dict[str, list[str]] = {}
        self._floors: dict[int, int] = {}
        self._canary: dict[int, int | None] = {}
        self._chapter: Counter[str] = Counter()
        self._since = 0.0
        self._seen: set[str] = set()

    def stages(self) -> dict[int, int | None]:
        """Return the first stage of the plan for each device, by its number."""
        plan = self._fleet.plan
        if plan is not None and not self._canary:
            self._canary = {
                device.number: first_stage(
                    plan, Traits(device=device.id, product=plan.release.product, counter=1, profile="gateway")
                )
                for device in self._fleet.devices
            }
        return self._canary

    def canary(self) -> set[int]:
        """Return numbers of the devices of the first stage."""
        return {number for number, stage in self.stages().items() if stage == 0}

    def halted_after(self) -> float | None:
        """Return seconds from the beginning to the halt."""
        return None if self.halted is None else self.halted - BEGIN

    def note_outcome(self, device: Device, outcome: Outcome) -> None:
        """Take an outcome that a device has written down."""
        new, now = self._fleet.new, self._fleet.events.now
        self.outcomes[f"{outcome.what} {outcome.because}".strip()] += 1
        if outcome.what == "activated":
            self._activated(device, outcome)
        if outcome.what == "confirmed":
            self._floors[device.number] = max(self._floors.get(device.number, 0), outcome.counter)
        if outcome.what == "activated" and new is not None and outcome.counter == new.counter:
            self.exposed.setdefault(device.number, now)
            self.begun.append((now, device))
            self._fleet.activated(device)
        self._note(outcome)
        self._fleet.changed(device)

    def note_report(self, device: Device, report: Report) -> None:
        """Take a report that the control plane has acknowledged."""
        for outcome in report.outcomes:
            if failed(outcome.what, outcome.because) is not None:
                self.ended.setdefault(device.number, self._fleet.events.now)

    def note_event(self, happened: SchedulerEvent) -> None:
        """Take what the control plane did by itself."""
        now = self._fleet.events.now
        if happened.what == "halted":
            self.halted = now
            self.say(f"the rollout is HALTED and devices are rolled back: {happened.why}")
        elif happened.what == "finished":
            self.finished = now
            self.say(f"the rollout is finished; {happened.why.partition(' is over')[0]} was its last")
        elif happened.what == "stage":
            self.say(f"all gates pass; the next stage begins, after {happened.why.partition(' is over')[0]}")
        elif happened.what == "failed" and self.first(happened.why):
            self.say(f"the control plane could not do something: {happened.why}")

    def first(self, key: str) -> bool:
        """Return whether this is asked for the first time."""
        new = key not in self._seen
        self._seen.add(key)
        return new

    def say(self, text: str) -> None:
        """Add a line to the story, after what devices did before it."""
        self._flush()
        self.lines.append(Line(at=self._fleet.events.elapsed, text=text))

    def close(self) -> None:
        """End the last chapter."""
        self._flush()

    def _activated(self, device: Device, outcome: Outcome) -> None:
        """Note a release that this device may never run."""
        held, text = device.held, f"{device.name} activated release {outcome.counter}"
        release = device.disk.slots[held.active]
        known = {one.counter: one for one in (self._fleet.served.old, self._fleet.new,
                                              self._fleet.back) if one is not None}  # fmt: skip
        signed = known.get(outcome.counter)
        if release is None or signed is None or device.disk.digests[held.active] != signed.sha256:
            self.wrong.setdefault("signed", []).append(f"{text}, which is not signed")
        if outcome.counter < self._floors.get(device.number, 1):
            self.wrong.setdefault("older", []).append(f"{text} after {self._floors[device.number]}")

    def _note(self, outcome: Outcome) -> None:
        new = self._fleet.new
        what = ""
        if new is not None and outcome.counter == new.counter:
            what = {
                "activated": "started release {counter}",
                "confirmed": "confirmed release {counter} after their trial",
                "reverted": "rolled back from release {counter} ({because})",
                "refused": "refused release {counter} ({because})",
            }.get(outcome.what, "").format(counter=outcome.counter, because=outcome.because)  # fmt: skip
        elif outcome.what == "activated":
            what = f"were rolled back to the old bytes, release {outcome.counter}"
        if not what:
            return
        now = self._fleet.events.elapsed
        if self._chapter and now - self._since > _CHAPTER:
            self._flush()
        if not self._chapter:
            self._since = now
        self._chapter[what] += 1
        self.ends[outcome.what if new is not None and outcome.counter == new.counter else "called back"] += 1

    def _flush(self) -> None:
        if self._chapter:
            text = "; ".join(f"{count:,} {what}" for what, count in self._chapter.items())
            self.lines.append(Line(at=self._since, text=f"devices: {text}"))
            self._chapter.clear()


APART = 60.0


class Timeline:
    """Points, at even times and within a minute of every change.

    A device's release and trial change only together with an outcome that it tells; so at a change those devices are
    looked at, and all of them at the even times.

    Args:
        fleet: that is looked at.
        counts: what each fault did so far, by name.

    Attributes:
        points: so far.
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
            whole: look at every device, not only at those that changed.
        """
        devices = self._fleet.devices
        for device in devices[len(self._shown) :]:
            self._shown.append((device.held.counter, False))
            self._versions[device.held.counter] += 1
            self._changed.add(device.number)
        for device in devices if whole else [devices[number] for number in sorted(self._changed)]:
            self._take(device)
        self._changed.clear()
        self.points.append(
            Point(
                at=self._fleet.events.elapsed, versions={v: n for v, n in sorted(self._versions.items()) if n},
                trial=self._trials, away=sum(one.off or (bool(one.link.away) and one.link.down) for one in devices),
                did=self._counts(), ended=dict(sorted(self._fleet.observer.ends.items())),
            )
        )  # fmt: skip

    def changed(self, device: Device) -> None:
        """Record a changed device; at most one extra point a minute shows it."""
        self._changed.add(device.number)
        if not self._looking:
            self._looking = True
            self._fleet.events.after(APART, self._soon)

    def _soon(self) -> None:
        self._looking = False
        self.look(whole=False)

    def _take(self, device: Device) -> None:
        held = device.held
        now = (held.counter, held.trial is not None)
        before = self._shown[device.number]
        if now == before:
            return
        self._versions[before[0]] -= 1
        self._versions[now[0]] += 1
        self._trials += now[1] - before[1]
        self._shown[device.number] = now
