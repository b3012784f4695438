"""The agent's state machine: one call of `step` does all due work and returns the time until the next call.

It uses the network, processes and clocks only through ports, so a device and a simulated device run the same steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from edgewright.core.errors import InputError, OutputError, error_code
from edgewright.core.records.fleet import Phase, Report
from edgewright.fleet.device.board_updates import Boards
from edgewright.fleet.device.model_supervisor import ModelSupervisor, recover
from edgewright.fleet.device.ports import ClockJump, Control, DeviceConfig, Pace, Packages, Reporter, Runner, Slots
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.update import Activator, Choice, Downloader, PlanSelector
from edgewright.fleet.protocol.layout import Chance, Clock, Refused, Seen, Trust, Unreachable

_DISK = 30.0  # seconds until a retry after a disk error
# Largest number of seconds between two writes that count as waiting time of a trial. A longer gap means that the
# machine was suspended, which is not the release's fault.
_AWAKE = 300.0


@dataclass
class AgentState:
    """The volatile state and schedule of the agent; unlike `DeviceState`, it is lost when the process exits.

    Attributes:
        stepped_at, saved_at, report_at: monotonic seconds of the last step, the last write of times, and the next
            possible report.
        advance_at: monotonic seconds of the next evaluation of the plans.
        unsaved: running seconds since `saved_at`.
        phase: progress with the followed plan; a trial or a quarantine takes precedence.
        seen: newest verified metadata; None before the first step.
        choice: plan that applies to the device; None before the first evaluation.
        trouble: why the last poll or write failed; empty for none.
        contact: whether the fleet has responded since the last report.
        reported: outcome number, phase, release and boards of the last report; None before it.
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
        config: settings and intervals.
        state, slots, runner, trust, packages, control, reporter, clock, chance: ports. `control` is None for a device
            without a control plane.
        ending: returns whether the process should exit; called during long steps.
        boards: microcontrollers behind the device; None for none.
        prepare: installs the agent that the package of a slot carries; the name of its environment.
        note: receives the messages of errors, for the log of this device. Reports contain their codes.
    """

    def __init__(
        self, config: DeviceConfig, *, state: State, slots: Slots, runner: Runner, trust: Trust, packages: Packages,
        control: Control | None, reporter: Reporter, clock: Clock, chance: Chance,
        ending: Callable[[], bool] = lambda: False, boards: Boards | None = None,
        prepare: Callable[[str], str] = lambda slot: "", note: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        self._note = note
        self.state, self._config, self._boards = state, config, boards
        self._trust, self._reporter, self._clock = trust, reporter, clock
        self._recovered = recover(state, slots, config.product, clock.wall())
        self.supervisor = ModelSupervisor(state, slots, runner, clock, chance, config, note)
        self._selector = PlanSelector(state, trust, clock, config)
        self._downloader = Downloader(
            state, slots, runner, trust, packages, clock, chance, config, ending, prepare, note
        )
        self._activator = Activator(state, slots, control, clock, chance, self.supervisor, config)
        self._poll = Pace(chance, config.poll, config.slowest)
        self._clock_jump = ClockJump(clock)
        now = clock.monotonic()
        self._now = AgentState(stepped_at=now, saved_at=now, report_at=now)

    @property
    def running(self) -> float:
        """Total seconds that the agent has run, including those not written yet."""
        return self.state.device_state.running + self._now.unsaved

    @property
    def phase(self) -> Phase:
        """Current phase of the agent."""
        if self.state.device_state.quarantined:
            return "quarantined"
        return "trial" if self.state.device_state.trial is not None else self._now.phase

    @property
    def report_at(self) -> float:
        """Monotonic seconds from which a report may be due."""
        return self._now.report_at

    @property
    def contact_at(self) -> float:
        """Monotonic seconds of the next poll or report."""
        return min(self._poll.due, self.report_at)

    @property
    def quiet_until(self) -> float:
        """Monotonic seconds of the next poll, report or write; until then only a trial can change the state."""
        return min(self.contact_at, self._now.saved_at + self._config.keep)

    @property
    def settled(self) -> bool:
        """Whether only a new publication, and not the passing of time, can change what the agent does."""
        choice = self._now.choice
        return self.phase == "idle" and not self._now.trouble and choice is not None and not choice.verdict.wait

    @property
    def why(self) -> str:
        """The reason for the current phase, in one line."""
        current, now = self.state.device_state, self._now
        if current.quarantined:
            return f"{'retired' if current.retired else 'quarantined'}: {current.quarantined}"[:500]
        if current.trial is not None:
            return self.supervisor.why or f"release {current.counter} begins its trial"
        own = {"download": self._downloader.why, "intent": self._activator.why}.get(now.phase, "")
        plan = own or (now.choice.verdict.why if now.choice else "no rollout is known yet")
        parts = [self._recovered, self.supervisor.why, plan, now.trouble, self._boards.why if self._boards else ""]
        return "; ".join(part for part in parts if part)[:500]

    def step(self) -> float:
        """Do all due work and return the seconds until the next call; call earlier after an event.

        External problems do not raise: after a full disk, a network failure or a forged file the agent reports the
        problem and retries.
        """
        shortest = 0.0
        boards = () if self._boards is None else (self._boards.look,)
        for part in (self._count_time, self.supervisor.look, self._look_for_news, self._follow_plan, *boards):
            try:
                part()
            except OutputError as error:
                # Continue with the other parts: a full disk must not stop the supervision of the model.
                self._trouble(error)
                self._now.advance_at = self._clock.monotonic() + _DISK
                shortest = self._config.look
        self._report()
        dues = [self.supervisor.due, self.contact_at]
        if self.state.device_state.trial is None:
            dues.append(self._now.advance_at)
        if self._boards is not None:
            dues.append(self._boards.due)
        return max(shortest, min(dues) - self._clock.monotonic())

    def wake(self, within: float = 0.0) -> None:
        """Poll at a random time within `within` seconds, since there is news; end the pause after failures."""
        self._poll.at_once(self._clock.monotonic(), within)
        self._now.contact = True

    def report_soon(self) -> None:
        """Send a report in the next step, since an item must be reported."""
        self._now.report_at = self._clock.monotonic()

    def close(self) -> None:
        """Stop the model's process normally and store all times.

        Raises:
            OutputError: the disk is full or broken.
        """
        if self._boards is not None:
            self._boards.close()
        self.supervisor.close()
        self.state.change(running=self.running)
        self._now.unsaved = 0.0

    def facts(self) -> Report:
        """Return a report without the fields that its sender adds."""
        current, seen, choice = self.state.device_state, self._now.seen, self._now.choice
        plan = current.trial.plan if current.trial else choice.plan.id if choice and choice.plan else ""
        followed = current.followed(plan)
        faults = self._downloader.pace.failures if self.phase == "download" else 0
        return Report(
            nonce="", sequence=0, counter=current.counter, floor=current.floor, phase=self.phase, plan=plan,
            stage=followed.stage if followed else -1, metadata=seen.versions if seen else {},
            vitals=self.supervisor.vitals(), why=self.why, profile=self._config.profile, version=self._config.version,
            boards=self._boards.seen() if self._boards else (), signed=seen.signed if seen else 0.0,
            transport_faults=faults, transport_fault=self._downloader.why[:500] if faults else "",
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
            # Retry now without waiting: earlier failures may have been due to the wrong clock.
            for pace in (self._poll, self._downloader.pace, self._activator.pace):
                pace.answered(now)
            self._now.advance_at, self._now.contact = now, True
        if self._now.seen is None:
            self._now.seen = self._trust.latest()
            if self._now.seen.standings is not None and self.state.device_state.active:
                # Spread the first polls of devices that start at the same moment.
                self._poll.spread(now)
        if now < self._poll.due:
            return
        try:
            self._now.seen = self._trust.refresh()
            self._now.trouble = ""
            self._poll.good(now)
        except (Unreachable, Refused, OutputError) as error:
            # The held metadata stays; check its freshness again.
            if isinstance(error, Unreachable):
                self._poll.away(self._clock.monotonic(), error.wait)
            else:
                self._poll.bad(self._clock.monotonic())
            if isinstance(error, OutputError):
                self._trouble(error)
            else:
                prefix = "no news: " if isinstance(error, Unreachable) else "news refused: "
                self._now.trouble = f"{prefix}{error}"
            self._now.seen = self._trust.latest()
        self._now.advance_at = now

    def _follow_plan(self) -> None:
        """Take one step towards the release that the plans assign to this device."""
        now, seen, current = self._now, self._now.seen, self.state.device_state
        if seen is None:
            return
        if current.trial is not None:
            if self._selector.aborted(seen) is not None:
                self.supervisor.revert("aborted", f"the rollout of release {current.counter} was aborted")
                now.advance_at = self._clock.monotonic()
            return
        if self._clock.monotonic() < now.advance_at:
            return
        now.choice = self._selector.choose(seen, self.running)
        wait = now.choice.verdict.wait
        now.advance_at = self._clock.monotonic() + (min(wait, self._config.slowest) if wait else self._config.poll)
        now.phase = "idle"
        target, plan, verdict = now.choice.verdict.target, now.choice.plan, now.choice.verdict
        if target is None or plan is None or (current.quarantined and not verdict.back):
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
        now, current = self._clock.monotonic(), self.state.device_state
        latest = (current.outcome, self.phase, current.counter, [(board.name, board.state) for board in current.boards])
        urgent = latest != self._now.reported
        if now < self._now.report_at and not urgent and not self._now.contact:
            return
        contact, self._now.reported, self._now.contact = self._now.contact, latest, False
        try:
            self._now.report_at = now + self._reporter.send(self.facts(), urgent, contact)
        except InputError as error:
            self._now.report_at = now + self._config.slowest
            self._quarantine(error)
        except OutputError as error:
            self._now.report_at = now + _DISK
            self._trouble(error)

    def _quarantine(self, why: InputError) -> None:
        try:
            self.state.shut_out(why)
        except OutputError as error:
            self._trouble(error)

    def _trouble(self, error: OutputError) -> None:
        self._note(str(error))
        self._now.trouble = error_code(error)
