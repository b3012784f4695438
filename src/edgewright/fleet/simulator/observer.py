"""Who watches a simulation: what devices did and when, what the control plane did, and the story of both."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edgewright.fleet.protocol.plans.cohorts import first_stage
from edgewright.fleet.protocol.plans.contract import Traits
from edgewright.fleet.protocol.plans.measures import failed
from edgewright.fleet.server.rollouts.scheduler import Happened
from edgewright.fleet.simulator.default_plan import HOUR
from edgewright.fleet.simulator.result import Line
from edgewright.fleet.simulator.world import BEGIN
from edgewright.schema.fleet_report import Outcome, Report

if TYPE_CHECKING:
    from edgewright.fleet.simulator.device import Device
    from edgewright.fleet.simulator.simulation import Simulation

_CHAPTER = HOUR


class Watch:
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

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
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
        self._said: set[str] = set()

    def stages(self) -> dict[int, int | None]:
        """First stage of the plan for each device, by its number."""
        simulation, plan = self._simulation, self._simulation.plan
        if plan is not None and not self._canary:
            self._canary = {
                device.number: first_stage(
                    plan, Traits(device=device.id, product=plan.release.product, counter=1, profile="gateway")
                )
                for device in simulation.devices
            }
        return self._canary

    def canary(self) -> set[int]:
        """Devices of the first stage."""
        return {number for number, stage in self.stages().items() if stage == 0}

    def halted_after(self) -> float | None:
        """Seconds from the beginning to the halt."""
        return None if self.halted is None else self.halted - BEGIN

    def told(self, device: Device, outcome: Outcome) -> None:
        """A device has written down an outcome."""
        new, now = self._simulation.new, self._simulation.world.now
        self.outcomes[f"{outcome.what} {outcome.because}".strip()] += 1
        if outcome.what == "activated":
            self._activated(device, outcome)
        if outcome.what == "confirmed":
            self._floors[device.number] = max(self._floors.get(device.number, 0), outcome.counter)
        if outcome.what == "activated" and new is not None and outcome.counter == new.counter:
            self.exposed.setdefault(device.number, now)
            self.begun.append((now, device))
            self._simulation.faults.activated(self._simulation, device)
        self._note(outcome)
        self._simulation.timeline.changed(device)

    def heard(self, device: Device, report: Report) -> None:
        """The control plane has acknowledged a report."""
        for outcome in report.outcomes:
            if failed(outcome.what, outcome.because) is not None:
                self.ended.setdefault(device.number, self._simulation.world.now)

    def happened(self, happened: Happened) -> None:
        """The control plane did something by itself."""
        now = self._simulation.world.now
        if happened.what == "halted":
            self.halted = now
            self.say(f"the rollout is HALTED and devices are called back: {happened.why}")
        elif happened.what == "finished":
            self.finished = now
            self.say(f"the rollout is finished; {happened.why.partition(' is over')[0]} was its last")
        elif happened.what == "stage":
            self.say(f"all gates say well and the next stage begins, after {happened.why.partition(' is over')[0]}")
        elif happened.what == "failed" and self.first(happened.why):
            self.say(f"the control plane could not do something: {happened.why}")

    def first(self, what: str) -> bool:
        """Whether this is asked for the first time."""
        new = what not in self._said
        self._said.add(what)
        return new

    def say(self, text: str) -> None:
        """A line, after what devices did before it."""
        self._flush()
        self.lines.append(Line(at=self._simulation.world.elapsed, text=text))

    def close(self) -> None:
        """The last chapter."""
        self._flush()

    def _activated(self, device: Device, outcome: Outcome) -> None:
        """Whether this is a release that this device may ever run."""
        held, said = device.held, f"{device.name} activated release {outcome.counter}"
        release = device.disk.slots[held.active]
        known = {one.counter: one for one in (self._simulation.served.old, self._simulation.new,
                                              self._simulation.back) if one is not None}  # fmt: skip
        signed = known.get(outcome.counter)
        if release is None or signed is None or device.disk.digests[held.active] != signed.sha256:
            self.wrong.setdefault("signed", []).append(f"{said}, which nobody signed")
        if outcome.counter < self._floors.get(device.number, 1):
            self.wrong.setdefault("older", []).append(f"{said} after {self._floors[device.number]}")

    def _note(self, outcome: Outcome) -> None:
        new = self._simulation.new
        what = ""
        if new is not None and outcome.counter == new.counter:
            what = {
                "activated": "began release {counter}",
                "confirmed": "confirmed release {counter} after their trial",
                "reverted": "went back from release {counter} ({because})",
                "refused": "refused release {counter} ({because})",
            }.get(outcome.what, "").format(counter=outcome.counter, because=outcome.because)  # fmt: skip
        elif outcome.what == "activated":
            what = f"were called back to the old bytes, release {outcome.counter}"
        if not what:
            return
        now = self._simulation.world.elapsed
        if self._chapter and now - self._since > _CHAPTER:
            self._flush()
        if not self._chapter:
            self._since = now
        self._chapter[what] += 1
        self.ends[outcome.what if new is not None and outcome.counter == new.counter else "called back"] += 1

    def _flush(self) -> None:
        if self._chapter:
            told = "; ".join(f"{count:,} {what}" for what, count in self._chapter.items())
            self.lines.append(Line(at=self._since, text=f"devices: {told}"))
            self._chapter.clear()
