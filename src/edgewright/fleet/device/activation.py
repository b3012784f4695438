"""Activates a tested release in one transaction; in a gated stage only with the control plane's permission."""

from __future__ import annotations

from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.device_state import Trial
from edgewright.fleet.device.model_supervisor import ModelSupervisor
from edgewright.fleet.device.ports import Control, DeviceConfig, Slots
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.plans.decision import Verdict
from edgewright.fleet.protocol.ports import Chance, Clock, Unreachable
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan, Release
from edgewright.schema.fleet_report import Intent


class Activator:
    """Requests permission and activates a release."""

    def __init__(
        self, state: State, slots: Slots, control: Control | None, clock: Clock, chance: Chance,
        guard: ModelSupervisor, config: DeviceConfig,
    ) -> None:  # fmt: skip
        self._state, self._slots, self._control, self._clock, self._guard = state, slots, control, clock, guard
        self.pace = Pace(chance, config.poll, config.slowest)
        # A permission is not kept through a restart: it is valid for a time of the monotonic clock, which ends with the
        # process.
        # Plan, counter and end of the permission.
        self._leave: tuple[str, int, float] = ("", 0, 0.0)
        self._asked = ("", 0)
        self.why = ""

    def may(self, release: Release, plan: Plan, verdict: Verdict) -> bool:
        """Return whether the release may be activated now; requests permission in a gated stage.

        Raises:
            OutputError: the state cannot be written.
        """
        if not verdict.gated:
            return True
        now = self._clock.monotonic()
        if self._leave[:2] == (plan.id, release.counter) and now < self._leave[2]:
            return True
        if (plan.id, release.counter) != self._asked and not self.pace.failures:
            self.pace.at_once(now)  # the wait was for another release; a pause after failures stays
        if now < self.pace.due:
            return False
        return self._ask(release, plan, verdict)

    def _ask(self, release: Release, plan: Plan, verdict: Verdict) -> bool:
        now = self._clock.monotonic()
        self._asked = (plan.id, release.counter)
        if self._control is None:
            self.why = f"release {release.counter} needs permission from a control plane, and this device has none"
            self.pace.bad(now)
            return False
        intent = Intent(
            nonce=self._state.link.nonce, plan=plan.id, counter=release.counter, stage=max(0, verdict.stage)
        )  # fmt: skip
        try:
            allowed = self._control.intent(intent)
        except Unreachable as error:
            self.why = f"release {release.counter} waits for permission from the control plane: {error}"
            self.pace.away(now, error.wait)
            return False
        except InputError as error:
            self._state.shut_out(error)
            return False
        self._state.set_nonce(allowed.nonce)
        if not allowed.go:
            self.why = f"release {release.counter} waits for its turn: {allowed.why or 'not yet'}"
            self.pace.good(now, allowed.wait)
            return False
        self.pace.good(now)
        self._leave = (plan.id, release.counter, now + allowed.until)
        return True

    def activate(self, release: Release, plan: Plan, verdict: Verdict) -> None:
        """Activate the other slot and start its process. A rollback is confirmed immediately.

        Raises:
            OutputError: the state cannot be written; nothing has changed.
        """
        held, wall = self._state.held, self._clock.wall()
        if release.counter < held.floor or release.counter in held.burned:  # whatever was decided before
            self.why = f"release {release.counter} is below this device's floor or failed on it before"
            return
        done = [self._state.tell("activated", release.counter, plan.id, wall)]
        trial = None
        floors = dict(held.floors)
        if verdict.back:
            done.append(self._state.tell("confirmed", release.counter, plan.id, wall, "aborted"))
            floors[held.product] = release.counter
        else:
            trial = Trial(
                plan=plan.id, stage=verdict.stage, counter=release.counter, previous=held.active, before=held.counter,
                plan_before=held.plan, limits=plan.trial, environment=held.environment,
            )  # fmt: skip
        carried = held.fetched.environment if held.fetched is not None else ""
        environment = held.environment_before if verdict.back else carried or held.environment
        self._leave, self._asked = ("", 0, 0.0), ("", 0)  # the next activation requests permission immediately
        self._state.change(
            done, active=held.other, counter=release.counter, plan=plan.id, trial=trial, floors=floors, fetched=None,
            environment=environment, environment_before=held.environment,
        )  # fmt: skip
        if verdict.back:
            self._slots.raise_floor(self._state.held.floor)
        self._guard.fresh()
        self._guard.start()
