"""The agent's state machine: one call of `step` does what is due, and says when it wants to be called again.

It knows no network, no process and no clock of its own: a device and a simulated device run the same steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from edgewright.fleet.device.activation import Activator
from edgewright.fleet.device.backoff import ClockJump, Pace
from edgewright.fleet.device.board_updates import Boards
from edgewright.fleet.device.download import Downloader
from edgewright.fleet.device.model_supervisor import ModelSupervisor, recover
from edgewright.fleet.device.plan_selection import Choice, PlanSelector
from edgewright.fleet.device.ports import Control, DeviceConfig, Packages, Reporter, Runner, Slots
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.ports import Chance, Clock, Refused, Seen, Trust, Unreachable
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_report import Phase, Report

_DISK = 30.0  # seconds after which a disk that failed is tried again
# Seconds at most that count between two writings for a trial that waits for rows: longer than that the machine slept,
# and a release is not to blame that a device on a battery slept for a month.
_AWAKE = 300.0


@dataclass
class AgentState:
    """What the agent knows and when it acts next; it ends with the process, unlike `DeviceState`.

    Attributes:
        stepped_at, saved_at, report_at: monotonic seconds of the last step, of the last writing of times, and from
            which a report may be due.
        advance_at: monotonic seconds from which the plans are read again.
        unsaved: seconds of running since `saved_at`.
        phase: where the device is with the plan that it follows; a trial or a quarantine goes before.
        seen: newest verified metadata; None before the first step.
        choice: plan that holds for the device; None before plans were read.
        trouble: why there are no news, or what cannot be written; empty where all is well.
        contact: the fleet has given a sign of life that no report has used yet.
        reported: last outcome, phase, release and boards of the last report; None before it.
    """

    stepped_at: float
    saved_at: float
    report_at: float
    advance_at: float = 0.0
    unsaved: float = 0.0
    phase: Phase = "idle"
    seen: Seen | None = None
    choice: Choice | None = None
    trouble: str = ""
    contact: bool = False
    reported: tuple[object, ...] | None = None


class Agent:
    """A device that follows its fleet.

    Args:
        config: what it is, and its paces.
        state, slots, runner, trust, packages, control, reporter, clock, chance: ports. `control` is None for a device
            that reaches no control plane.
        ending: whether the process is to end; asked in long steps.
        boards: microcontrollers behind the device; None for none.
    """

    def __init__(
        self, config: DeviceConfig, *, state: State, slots: Slots, runner: Runner, trust: Trust, packages: Packages,
        control: Control | None, reporter: Reporter, clock: Clock, chance: Chance,
        ending: Callable[[], bool] = lambda: False, boards: Boards | None = None,
    ) -> None:  # fmt: skip
        self.state, self._config, self._boards = state, config, boards
        self._trust, self._reporter, self._clock = trust, reporter, clock
        self._recovered = recover(state, slots, config.product, clock.wall())
        self.supervisor = ModelSupervisor(state, slots, runner, clock, chance, config)
        self._selector = PlanSelector(state, trust, clock, config)
        self._downloader = Downloader(state, slots, runner, trust, packages, clock, chance, config, ending)
        self._activator = Activator(state, slots, control, clock, chance, self.supervisor, config)
        self._poll = Pace(chance, config.poll, config.slowest)
        self._clock_jump = ClockJump(clock)
        now = clock.monotonic()
        self._now = AgentState(stepped_at=now, saved_at=now, report_at=now)

    @property
    def running(self) -> float:
        """Seconds that the agent has run, ever; what is not written yet included."""
        return self.state.held.running + self._now.unsaved

    @property
    def phase(self) -> Phase:
        """Where the agent is."""
        if self.state.held.quarantined:
            return "quarantined"
        return "trial" if self.state.held.trial is not None else self._now.phase

    @property
    def report_at(self) -> float:
        """Monotonic seconds from which a report may be due."""
        return self._now.report_at

    @property
    def contact_at(self) -> float:
        """Monotonic seconds at which it next polls or reports."""
        return min(self._poll.due, self.report_at)

    @property
    def quiet_until(self) -> float:
        """Monotonic seconds up to which a trial alone can move it: then it polls, reports or writes its times down."""
        return min(self.contact_at, self._now.saved_at + self._config.keep)

    @property
    def settled(self) -> bool:
        """Whether only something that is published can move it: time alone changes nothing that it would do."""
        choice = self._now.choice
        return self.phase == "idle" and not self._now.trouble and choice is not None and not choice.verdict.wait

    @property
    def why(self) -> str:
        """One line about why the device is where it is."""
        held, now = self.state.held, self._now
        if held.quarantined:
            return f"quarantined: {held.quarantined}"
        if held.trial is not None:
            return self.supervisor.why or f"release {held.counter} begins its trial"
        own = {"download": self._downloader.why, "intent": self._activator.why}.get(now.phase, "")
        plan = own or (now.choice.verdict.why if now.choice else "nothing is known of rollouts yet")
        parts = [self._recovered, self.supervisor.why, plan, now.trouble, self._boards.why if self._boards else ""]
        return "; ".join(part for part in parts if part)[:500]

    def step(self) -> float:
        """Do what is due; return seconds after which it wants to be called again, sooner when something happened.

        Never raises for what the world does: a full disk, a dead network or a forged file are waited for, and told.
        """
        shortest = 0.0
        boards = () if self._boards is None else (self._boards.look,)
        for part in (self._count_time, self.supervisor.look, self._look_for_news, self._follow_plan, *boards):
            try:
                part()
            except OutputError as error:
                # The others go on: a disk that is full must not keep the model from being looked after.
                self._now.trouble = str(error)
                self._now.advance_at = self._clock.monotonic() + _DISK
                shortest = self._config.look
        self._report()
        dues = [self.supervisor.due, self.contact_at]
        if self.state.held.trial is None:
            dues.append(self._now.advance_at)
        if self._boards is not None:
            dues.append(self._boards.due)
        return max(shortest, min(dues) - self._clock.monotonic())

    def wake(self, within: float = 0.0) -> None:
        """Poll soon, somewhere in so many seconds, since there are news; try again what nobody answered."""
        self._poll.at_once(self._clock.monotonic(), within)
        self._now.contact = True

    def report_soon(self) -> None:
        """Ask the reporter in the next step, since something waits that must be reported."""
        self._now.report_at = self._clock.monotonic()

    def close(self) -> None:
        """End the process of the model in order and note all times.

        Raises:
            OutputError: the disk is full or broken.
        """
        if self._boards is not None:
            self._boards.close()
        self.supervisor.close()
        self.state.change(running=self.running)
        self._now.unsaved = 0.0

    def facts(self) -> Report:
        """Return what a report says, without what its sender adds."""
        held, seen, choice = self.state.held, self._now.seen, self._now.choice
        plan = held.trial.plan if held.trial else choice.plan.id if choice and choice.plan else ""
        followed = held.followed(plan)
        return Report(
            nonce="", sequence=0, counter=held.counter, floor=held.floor, phase=self.phase, plan=plan,
            stage=followed.stage if followed else -1, metadata=seen.versions if seen else {},
            vitals=self.supervisor.vitals(), why=self.why, profile=self._config.profile, version=self._config.version,
            boards=self._boards.seen() if self._boards else (),
        )  # fmt: skip

    def _count_time(self) -> None:
        now, times = self._clock.monotonic(), self._now
        times.unsaved += max(0.0, now - times.stepped_at)
        times.stepped_at = now
        if now - times.saved_at < self._config.keep:
            return
        fields: dict[str, Any] = {"running": self.running}
        trial = self.supervisor.keep()
        if trial is not None:
            waited = min(now - times.saved_at, max(2.0 * self._config.keep, _AWAKE))
            fields["trial"] = msgspec.structs.replace(trial, waited=trial.waited + waited)
        self.state.change(**fields)
        times.saved_at, times.unsaved = now, 0.0

    def _look_for_news(self) -> None:
        now = self._clock.monotonic()
        if self._clock_jump():
            # What failed, perhaps because of the clock, is tried now and not after its pause.
            for pace in (self._poll, self._downloader.pace, self._activator.pace):
                pace.heard(now)
            self._now.advance_at, self._now.contact = now, True
        if self._now.seen is None:
            self._now.seen = self._trust.held()
            if self._now.seen.standings is not None and self.state.held.active:
                # Many devices that come back at once do not ask at once.
                self._poll.spread(now)
        if now < self._poll.due:
            return
        try:
            self._now.seen = self._trust.refresh()
            self._now.trouble = ""
            self._poll.good(now)
        except (Unreachable, Refused, OutputError) as error:
            # What is held stays; whether it is still fresh is asked again.
            if isinstance(error, Unreachable):
                self._poll.away(self._clock.monotonic(), error.wait)
            else:
                self._poll.bad(self._clock.monotonic())
            what = "no news: " if isinstance(error, Unreachable) else "news refused: "
            self._now.trouble = str(error) if isinstance(error, OutputError) else f"{what}{error}"
            self._now.seen = self._trust.held()
        self._now.advance_at = now

    def _follow_plan(self) -> None:
        """Take one step towards what the plans want of this device."""
        now, seen, held = self._now, self._now.seen, self.state.held
        if seen is None:
            return
        if held.trial is not None:
            if self._selector.aborted(seen) is not None:
                self.supervisor.revert("aborted", f"the rollout of release {held.counter} was aborted")
                now.advance_at = self._clock.monotonic()
            return
        if self._clock.monotonic() < now.advance_at:
            return
        now.choice = self._selector.choose(seen, self.running)
        wait = now.choice.verdict.wait
        now.advance_at = self._clock.monotonic() + (min(wait, self._config.slowest) if wait else self._config.poll)
        now.phase = "idle"
        target, plan, verdict = now.choice.verdict.target, now.choice.plan, now.choice.verdict
        if target is None or plan is None or (held.quarantined and not verdict.back):
            return
        now.phase = "download"
        if not self._downloader.bring(target, plan):
            now.advance_at = max(self._clock.monotonic(), self._downloader.pace.due)
            return
        now.phase = "ready"
        if not verdict.go:
            return
        if not self._activator.may(target, plan, verdict):
            now.phase = "intent"
            now.advance_at = max(self._clock.monotonic(), self._activator.pace.due)
            return
        self._activator.activate(target, plan, verdict)
        now.phase = "idle"
        now.advance_at = self._clock.monotonic()

    def _report(self) -> None:
        now, held = self._clock.monotonic(), self.state.held
        latest = (held.outcome, self.phase, held.counter, [(one.name, one.state) for one in held.boards])
        urgent = latest != self._now.reported
        if now < self._now.report_at and not urgent and not self._now.contact:
            return
        contact, self._now.reported, self._now.contact = self._now.contact, latest, False
        try:
            self._now.report_at = now + self._reporter.tell(self.facts(), urgent, contact)
        except InputError as error:
            self._now.report_at = now + self._config.slowest
            self._quarantine(str(error))
        except OutputError as error:
            self._now.report_at = now + _DISK
            self._now.trouble = str(error)

    def _quarantine(self, why: str) -> None:
        try:
            if self.state.held.quarantined != why:
                self.state.change(quarantined=why)
        except OutputError as error:
            self._now.trouble = str(error)
