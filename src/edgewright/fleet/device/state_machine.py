"""The agent's state machine: one call of `step` does what is due, and says when it wants to be called again.

It knows no network, no process and no clock of its own: a device and a simulated device run the same steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from edgewright.fleet.device.activation import Activator
from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.board_updates import Boards
from edgewright.fleet.device.clock_jump import Stepped
from edgewright.fleet.device.device_config import Me
from edgewright.fleet.device.download import Fetcher
from edgewright.fleet.device.model_supervisor import Guard
from edgewright.fleet.device.plan_selection import Choice, Chooser
from edgewright.fleet.device.ports import Control, Facts, Packages, Runner, Slots, Teller
from edgewright.fleet.device.recovery import recover
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.ports import Chance, Clock, Unreachable
from edgewright.fleet.protocol.trusted_metadata import Refused, Seen, Trust
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_report import Phase

_DISK = 30.0  # seconds after which a disk that failed is tried again
# Seconds at most that count between two writings for a trial that waits for rows: longer than that the machine slept,
# and a release is not to blame that a device on a battery slept for a month.
_AWAKE = 300.0


class Agent:
    """A device that follows its fleet.

    Args:
        me: what it is, and its paces.
        state, slots, runner, trust, packages, control, teller, clock, chance: ports. `control` is None for a device
            that reaches no control plane; `teller` reports.
        ending: whether the process is to end; asked in long steps.
        boards: microcontrollers behind the device; None for none.
    """

    def __init__(
        self, me: Me, *, state: State, slots: Slots, runner: Runner, trust: Trust, packages: Packages,
        control: Control | None, teller: Teller, clock: Clock, chance: Chance,
        ending: Callable[[], bool] = lambda: False, boards: Boards | None = None,
    ) -> None:  # fmt: skip
        self._boards = boards
        self.state, self._me, self._trust, self._teller, self._clock = state, me, trust, teller, clock
        self._recovered = recover(state, slots, me.product, clock.wall())
        self.guard = Guard(state, slots, runner, clock, chance, me)
        self._chooser = Chooser(state, trust, clock, me)
        self._fetcher = Fetcher(state, slots, runner, trust, packages, clock, chance, me, ending)
        self._activator = Activator(state, slots, control, clock, chance, self.guard, me)
        self._poll = Pace(chance, me.poll, me.slowest)
        self._stepped = Stepped(clock)
        self._seen: Seen | None = None
        self._choice: Choice | None = None
        self._news = self._told = ""
        self._heard = False
        self._again = 0.0
        self._numbered = state.held.outcome
        self._last = self._kept = self._tell_due = clock.monotonic()
        self._unwritten = 0.0
        self._phase: Phase = "idle"

    @property
    def running(self) -> float:
        """Seconds that the agent has run, ever; what is not written yet included."""
        return self.state.held.running + self._unwritten

    @property
    def phase(self) -> Phase:
        """Where the agent is."""
        if self.state.held.quarantined:
            return "quarantined"
        return "trial" if self.state.held.trial is not None else self._phase

    @property
    def speaks(self) -> float:
        """Monotonic seconds at which it next polls or reports."""
        return min(self._poll.due, self._tell_due)

    @property
    def still(self) -> float:
        """Monotonic seconds up to which a trial alone can move it: then it polls, reports or writes its times down."""
        return min(self.speaks, self._kept + self._me.keep)

    @property
    def settled(self) -> bool:
        """Whether only something that is published can move it: time alone changes nothing that it would do."""
        choice = self._choice
        return self.phase == "idle" and not self._news and choice is not None and not choice.verdict.wait

    @property
    def why(self) -> str:
        """One line about why the device is where it is."""
        held = self.state.held
        if held.quarantined:
            return f"quarantined: {held.quarantined}"
        if held.trial is not None:
            return self.guard.why or f"release {held.counter} begins its trial"
        own = {"download": self._fetcher.why, "intent": self._activator.why}.get(self._phase, "")
        said = own or (self._choice.verdict.why if self._choice else "nothing is known of rollouts yet")
        parts = [self._recovered, self.guard.why, said, self._news, self._boards.why if self._boards else ""]
        return "; ".join(part for part in parts if part)[:500]

    def step(self) -> float:
        """Does what is due; seconds after which it wants to be called again, sooner when something happened.

        Never raises for what the world does: a full disk, a dead network or a forged file are waited for, and told.
        """
        least = 0.0
        boards = () if self._boards is None else (self._boards.look,)
        for part in (self._time_goes_on, self.guard.look, self._look_for_news, self._go_on, *boards):
            try:
                part()
            except OutputError as error:
                # The others go on: a disk that is full must not keep the model from being looked after.
                self._news = str(error)
                self._again = self._clock.monotonic() + _DISK
                least = self._me.look
        self._tell()
        now = self._clock.monotonic()
        dues = [self.guard.due, self._poll.due, self._tell_due, *self._dues()]
        return max(least, min(dues) - now)

    def wake(self, within: float = 0.0) -> None:
        """There are news: polls soon, somewhere in so many seconds, and tries again what nobody answered."""
        self._poll.at_once(self._clock.monotonic(), within)
        self._heard = True

    def speak(self) -> None:
        """Something waits that must be reported soon."""
        self._tell_due = self._clock.monotonic()

    def close(self) -> None:
        """Ends the process of the model in order and notes all times.

        Raises:
            OutputError: the disk is full or broken.
        """
        if self._boards is not None:
            self._boards.close()
        self.guard.close()
        self.state.change(running=self.running)
        self._unwritten = 0.0

    def facts(self, urgent: bool = False, heard: bool = False) -> Facts:
        """What a report says."""
        held = self.state.held
        plan = held.trial.plan if held.trial else self._choice.plan.id if self._choice and self._choice.plan else ""
        followed = held.followed(plan)
        return Facts(
            counter=held.counter, floor=held.floor, phase=self.phase, plan=plan,
            stage=followed.stage if followed else -1, metadata=self._seen.versions if self._seen else {},
            vitals=self.guard.vitals(), why=self.why, product=self._me.product, profile=self._me.profile,
            version=self._me.version, running=self.running, urgent=urgent,
            heard=heard, boards=self._boards.told() if self._boards else (),
        )  # fmt: skip

    def _time_goes_on(self) -> None:
        now = self._clock.monotonic()
        self._unwritten += max(0.0, now - self._last)
        self._last = now
        if now - self._kept < self._me.keep:
            return
        fields: dict[str, Any] = {"running": self.running}
        trial = self.guard.keep()
        if trial is not None:
            waited = min(now - self._kept, max(2.0 * self._me.keep, _AWAKE))
            fields["trial"] = msgspec.structs.replace(trial, waited=trial.waited + waited)
        self.state.change(**fields)
        self._kept, self._unwritten = now, 0.0

    def _look_for_news(self) -> None:
        now = self._clock.monotonic()
        if self._stepped():
            self._set_right(now)
        if self._seen is None:
            self._seen = self._trust.held()
            if self._seen.standings is not None and self.state.held.active:
                # Many devices that come back at once do not ask at once.
                self._poll.spread(now)
        if now < self._poll.due:
            return
        try:
            self._seen = self._trust.refresh()
            self._news = ""
            self._poll.good(now)
        except Unreachable as error:
            self._poll.away(self._clock.monotonic(), error.wait)
            self._offline(f"no news: {error}")
        except Refused as error:
            self._poll.bad(self._clock.monotonic())
            self._offline(f"news refused: {error}")
        except OutputError as error:
            self._poll.bad(self._clock.monotonic())
            self._offline(str(error))
        self._again = now

    def _set_right(self, now: float) -> None:
        """The clock was set: what failed, perhaps because of it, is tried now and not after its pause."""
        for pace in (self._poll, self._fetcher.pace, self._activator.pace):
            pace.heard(now)
        self._again, self._heard = now, True

    def _offline(self, why: str) -> None:
        """What is held stays; whether it is still fresh is asked again."""
        self._news = why
        self._seen = self._trust.held()

    def _go_on(self) -> None:
        """One step towards what the plans want of this device."""
        seen, held = self._seen, self.state.held
        if seen is None:
            return
        if held.trial is not None:
            aborted = self._chooser.aborted(seen)
            if aborted is not None:
                self.guard.revert("aborted", f"the rollout of release {held.counter} was aborted")
                self._again = self._clock.monotonic()
            return
        if self._clock.monotonic() < self._again:
            return
        choice = self._choice = self._chooser.choose(seen, self.running)
        verdict, plan = choice.verdict, choice.plan
        self._again = self._clock.monotonic() + (min(verdict.wait, self._me.slowest) if verdict.wait else self._me.poll)
        self._phase = "idle"
        if verdict.target is None or plan is None or (held.quarantined and not verdict.back):
            return
        self._phase = "download"
        if not self._fetcher.bring(verdict.target, plan):
            self._again = max(self._clock.monotonic(), self._fetcher.pace.due)
            return
        self._phase = "ready"
        if not verdict.go:
            return
        if not self._activator.may(verdict.target, plan, verdict):
            self._phase = "intent"
            self._again = max(self._clock.monotonic(), self._activator.pace.due)
            return
        self._activator.activate(verdict.target, plan, verdict)
        self._phase = "idle"
        self._again = self._clock.monotonic()

    def _dues(self) -> list[float]:
        boards = [] if self._boards is None else [self._boards.due]
        return boards if self.state.held.trial is not None else [self._again, *boards]

    def _tell(self) -> None:
        now = self._clock.monotonic()
        held = self.state.held
        told = f"{self.phase}{held.counter}{[(one.name, one.state) for one in held.boards]}"
        urgent = held.outcome != self._numbered or told != self._told
        if now < self._tell_due and not urgent and not self._heard:
            return
        self._numbered, self._told = held.outcome, told
        heard, self._heard = self._heard, False
        try:
            self._tell_due = now + self._teller.tell(self.facts(urgent, heard))
        except InputError as error:
            self._tell_due = now + self._me.slowest
            self._quarantine(str(error))
        except OutputError as error:
            self._tell_due = now + _DISK
            self._news = str(error)

    def _quarantine(self, why: str) -> None:
        try:
            if self.state.held.quarantined != why:
                self.state.change(quarantined=why)
        except OutputError as error:
            self._news = str(error)
