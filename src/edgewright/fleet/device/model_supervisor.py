"""The model's process: started, watched through its trial, started again after a crash, and taken back."""

from __future__ import annotations

import msgspec

from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.device_config import Me
from edgewright.fleet.device.ports import Runner, Slots
from edgewright.fleet.device.recovery import go_back
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.state_values import Counts, Trial
from edgewright.fleet.device.trial import added, judge
from edgewright.fleet.protocol.ports import Chance, Clock
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.fleet_report import Because, Vitals

_CRASH_FIRST, _CRASH_SLOWEST = 1.0, 60.0
_OUT_OF_MEMORY = "out of memory"


class Guard:
    """Looks after the process of the active slot.

    Args:
        state, slots, runner, clock, chance: ports.
        me: paces.
    """

    def __init__(self, state: State, slots: Slots, runner: Runner, clock: Clock, chance: Chance, me: Me) -> None:
        self._state, self._slots, self._runner, self._clock, self._me = state, slots, runner, clock, me
        self._pace = Pace(chance, _CRASH_FIRST, _CRASH_SLOWEST)
        self._base = Counts()
        self._up = False
        self.crashes = 0
        self.why = ""

    @property
    def due(self) -> float:
        """Monotonic seconds at which it wants to look again."""
        if not self._state.held.active:
            return self._clock.monotonic() + self._me.poll
        return self._clock.monotonic() + self._me.look if self._up else self._pace.due

    def vitals(self) -> Vitals | None:
        """Of the process that runs; None where none does."""
        return msgspec.structs.replace(self._runner.vitals(), crashes=self.crashes) if self._up else None

    def counts(self) -> Counts:
        """Of the trial, all starts."""
        return added(self._base, self._runner.vitals()) if self._up else self._base

    def look(self) -> None:
        """Starts what should run; counts what ended; confirms or goes back.

        Raises:
            OutputError: the disk is full or broken; nothing was activated.
        """
        if self._up:
            self._ended()
        if self._state.held.trial is not None:
            self._judge()
        now = self._clock.monotonic()
        if not self._up and self._state.held.active and now >= self._pace.due:
            self.start()

    def start(self) -> None:
        """Starts the active slot. In a trial that is noted durably before; a start that fails is a crash."""
        held = self._state.held
        if not held.active:
            return
        limits = None
        if held.trial is not None:
            self._base = self.counts() if self._up else held.trial.counts
            self._state.change(trial=msgspec.structs.replace(held.trial, running=True, counts=self._base))
            limits = held.trial.limits
        try:
            self._runner.start(held.active, limits)
            self._up = True
            self.why = ""
        except EdgewrightError as error:
            self._crashed(str(error))

    def fresh(self) -> None:
        """Another slot is active from now: nothing is known of its process."""
        self._up, self._base = False, Counts()
        self._pace.failures, self._pace.due = 0, 0.0

    def revert(self, because: Because, why: str) -> None:
        """Goes back to the slot before and starts it."""
        self.fresh()
        go_back(self._state, self._slots, because, why, self._clock.wall())
        if self._state.held.active:
            self.start()
        else:
            self._runner.stop()
        self.why = f"went back: {why}"

    def keep(self) -> Trial | None:
        """The trial with its counts up to now, for the next writing."""
        trial = self._state.held.trial
        return None if trial is None else msgspec.structs.replace(trial, counts=self.counts())

    def close(self) -> None:
        """Ends the process in order; that is no crash."""
        trial = self.keep()
        self._runner.stop()
        self._up = False
        if trial is not None:
            self._state.change(trial=msgspec.structs.replace(trial, running=False))

    def _ended(self) -> None:
        line = self._runner.ended()
        if line is not None:
            self._crashed(line)
        elif not self._runner.running():
            self._rests()

    def _rests(self) -> None:
        """It ended in order by itself, as where a recording is at its end."""
        trial = self.keep()
        if trial is not None:
            self._state.change(trial=msgspec.structs.replace(trial, running=False))
            self._base = trial.counts
        self._up = False
        self._pace.good(self._clock.monotonic(), self._me.again)
        self.why = "the source has ended"

    def _crashed(self, line: str) -> None:
        self.crashes += 1
        self.why = line
        trial = self.keep()
        self._up = False
        self._pace.bad(self._clock.monotonic())
        if trial is None:
            return
        self._base = trial.counts
        self._state.change(trial=msgspec.structs.replace(trial, running=False, crashes=trial.crashes + 1))
        if line.startswith(_OUT_OF_MEMORY):
            self.revert("memory", line)

    def _judge(self) -> None:
        trial = self._state.held.trial
        assert trial is not None  # noqa: S101 - the caller has looked
        judged = judge(trial, self.counts(), self.vitals())
        # While it does not run, what ended it says more than how far the trial is.
        self.why = self.why if not judged.over and not self._up and self.why else judged.why
        if judged.over == "reverted":
            self.revert(judged.because, judged.why)
        elif judged.over == "confirmed":
            self._confirm(trial)

    def _confirm(self, trial: Trial) -> None:
        """The floor rises with the confirmation, in one transaction; then its copies."""
        held = self._state.held
        told = self._state.tell("confirmed", trial.counter, trial.plan, self._clock.wall())
        burned = tuple(counter for counter in held.burned if counter > trial.counter)
        floors = {held.product: trial.counter}
        self._state.change([told], trial=None, floors=floors, burned=burned, because="")
        self._slots.raise_floor(self._state.held.floor)
