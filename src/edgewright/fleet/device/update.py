"""The steps of an update: select the plan, download and test the release, and activate it in one transaction.

Bytes that do not arrive, or that differ from the signed ones, are a fault of the way and no verdict on the release: the
device retries and reports the fault. Only the signed bytes can fail their test.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec

from edgewright.core.errors import InputError, OutputError, error_code
from edgewright.core.records.fleet import Intent, Plan, Release, Standing
from edgewright.fleet.device.model_supervisor import ModelSupervisor
from edgewright.fleet.device.ports import Control, DeviceConfig, Pace, Packages, Runner, Slots, Tested
from edgewright.fleet.device.state_database import DeviceState, Fetched, Followed, State, Trial
from edgewright.fleet.protocol.layout import Chance, Clock, Refused, Seen, Trust, Unreachable
from edgewright.fleet.protocol.plans.decision import Moment, Traits, Verdict, decide, invited, lists_devices

_SOON = 5.0  # seconds until the first retry of an interrupted download


class Downloader:
    """Downloads one release at a time.

    Args:
        state, slots, runner, trust, packages, clock, chance: ports.
        config: intervals.
        ending: returns whether the agent should exit; called during downloads.
        prepare: installs the agent that the package of a slot carries; the name of its environment.
        note: receives the messages of errors, for the log of this device.
    """

    def __init__(
        self, state: State, slots: Slots, runner: Runner, trust: Trust, packages: Packages, clock: Clock,
        chance: Chance, config: DeviceConfig, ending: Callable[[], bool],
        prepare: Callable[[str], str] = lambda slot: "", note: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        self._prepare, self._note = prepare, note
        self._state, self._slots, self._runner, self._trust = state, slots, runner, trust
        self._packages, self._clock, self._config, self._ending = packages, clock, config, ending
        self.pace = Pace(chance, min(_SOON, config.poll), config.slowest)
        self._sure: tuple[int, str] | None = None
        self.why = ""

    def bring(self, release: Release, plan: Plan) -> bool:
        """Continue the download; return whether the release is in the slot and has passed its test vectors.

        Raises:
            OutputError: the state cannot be written. After a problem with the slot, the next call retries.
        """
        if self._clock.monotonic() < self.pace.due:
            return False
        try:
            if not self._whole(release):
                if not self._fetch(release):
                    return False
                self.pace.failures = 0
            return self._tested(release, plan)
        except Unreachable as error:
            self._later(f"release {release.counter}: {error}", error.wait)
        except Refused as error:
            if error.kind in ("length", "hash"):
                self._drop()  # what is downloaded is not the target, or is mixed with what is not
            self._later(f"release {release.counter} is refused: {error}")
        except OutputError as error:
            self._note(str(error))
            self._later(f"release {release.counter}: {error_code(error)}")
        return False

    def _whole(self, release: Release) -> bool:
        """Return whether the slot contains the release; its bytes are hashed only once."""
        key = (release.counter, release.sha256)
        if self._sure == key:
            return True
        stored, begun = self._slots.holds(self._state.device_state.other), self._state.device_state.fetched
        if stored is None or begun is None or (begun.counter, begun.sha256) != key:
            return False
        if (stored.counter, stored.sha256) != key:
            return False
        self._sure = key
        return True

    def _fetch(self, release: Release) -> bool:
        slot, state = self._state.device_state.other, self._state
        self._trust.check(release)
        begun = state.device_state.fetched
        if begun is None or (begun.counter, begun.sha256) != (release.counter, release.sha256):
            # Delete the rest of another download before recording this one, so that the two are never mixed.
            self._drop()
            self.pace.failures = 0
            state.change(fetched=Fetched(sha256=release.sha256, counter=release.counter))
        there = self._slots.holds(slot)
        if (there is None or there.sha256 != release.sha256) and not self._read(slot, release):
            return False
        if not self._slots.finish(slot, release, state.device_state.floor):
            by = self._packages.spoilt(release)
            raise Refused(f"the bytes from {by} differ from the signed ones", "hash")
        self._sure = (release.counter, release.sha256)
        return True

    def _read(self, slot: str, release: Release) -> bool:
        """Download bytes for the time of one slice; return whether all bytes are there."""
        have = self._slots.size(slot)
        if have > release.length:
            have = 0
        until = self._clock.monotonic() + self._config.slice
        path = self._trust.path(release)
        if have < release.length:
            source = self._packages.read(path, have, release.length)
            with closing(source) as parts:  # type: ignore[type-var]
                for part in parts:
                    self._slots.write(slot, have, part)
                    have += len(part)
                    if self._clock.monotonic() >= until or self._ending():
                        break
        self.why = f"release {release.counter}: {have:,} of {release.length:,} bytes downloaded"
        if 0 < have < release.length and self._clock.monotonic() < until and not self._ending():
            raise Unreachable(f"broken off after {have:,} bytes")
        return have >= release.length

    def _drop(self) -> None:
        self._sure, slot = None, self._state.device_state.other
        if self._slots.size(slot):
            self._slots.write(slot, 0, b"")

    def _tested(self, release: Release, plan: Plan) -> bool:
        current = self._state.device_state
        assert current.fetched is not None  # noqa: S101 - `_whole` or `_fetch` ensures it
        if current.fetched.tested:
            return True
        verdict = self._runner.test(current.other, plan.trial)
        wall, environment = self._clock.wall(), ""
        if verdict.ok:
            try:
                environment = self._prepare(current.other)
            except InputError as error:
                self._note(str(error))
                verdict = Tested(ok=False, because="start", detail=error_code(error))
        if verdict.ok:
            outcome = self._state.outcome("tested", release.counter, plan.id, wall)
            fetched = msgspec.structs.replace(current.fetched, tested=True, environment=environment)
            self._state.change([outcome], fetched=fetched)
            return True
        if self._slots.holds(current.other) is None:
            raise Refused("its bytes changed on this device", "hash")
        because = verdict.because or "vectors"
        outcome = self._state.outcome("refused", release.counter, plan.id, wall, because, verdict.detail)
        self._sure = None
        self._state.change([outcome], fetched=None, because=because, burned=(*current.burned, release.counter))
        self.why = f"release {release.counter} failed its test here: {verdict.detail}"
        return False

    def _later(self, why: str, wait: float | None = None) -> None:
        self.why = why
        self.pace.bad(self._clock.monotonic(), wait)


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
        self._requested = ("", 0)
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
        if (plan.id, release.counter) != self._requested and not self.pace.failures:
            self.pace.at_once(now)  # the wait was for another release; a pause after failures stays
        if now < self.pace.due:
            return False
        return self._ask(release, plan, verdict)

    def _ask(self, release: Release, plan: Plan, verdict: Verdict) -> bool:
        now = self._clock.monotonic()
        self._requested = (plan.id, release.counter)
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
        current, wall = self._state.device_state, self._clock.wall()
        if release.counter < current.floor or release.counter in current.burned:  # whatever was decided before
            self.why = f"release {release.counter} is below this device's floor or failed on it before"
            return
        done = [self._state.outcome("activated", release.counter, plan.id, wall)]
        trial = None
        floors = dict(current.floors)
        if verdict.back:
            done.append(self._state.outcome("confirmed", release.counter, plan.id, wall, "aborted"))
            floors[current.product] = release.counter
        else:
            trial = Trial(
                plan=plan.id, stage=verdict.stage, counter=release.counter, previous=current.active,
                before=current.counter, plan_before=current.plan, limits=plan.trial, environment=current.environment,
            )  # fmt: skip
        carried = current.fetched.environment if current.fetched is not None else ""
        environment = current.environment_before if verdict.back else carried or current.environment
        self._leave, self._requested = ("", 0, 0.0), ("", 0)  # the next activation requests permission immediately
        self._state.change(
            done, active=current.other, counter=release.counter, plan=plan.id, trial=trial, floors=floors, fetched=None,
            environment=environment, environment_before=current.environment,
        )  # fmt: skip
        if verdict.back:
            self._slots.raise_floor(self._state.device_state.floor)
        self._guard.fresh()
        self._guard.start()


_PLANS = 16
_LOOKED_AT = 16
"""Number of rollouts of one product that a device evaluates, newest first."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that applies to the device.

    Attributes:
        plan, standing: None if no rollout applies to the device.
        verdict: the decision, always set.
    """

    plan: Plan | None = None
    standing: Standing | None = None
    verdict: Verdict


class PlanSelector:
    """Selects a plan from the standings."""

    def __init__(self, state: State, trust: Trust, clock: Clock, config: DeviceConfig) -> None:
        self._state, self._trust, self._clock, self._config = state, trust, clock, config
        # The newest plans by name and hash; failed downloads are not cached.
        self._plan = functools.lru_cache(_PLANS)(lambda name, sha256: trust.plan(name, sha256)[0])

    def aborted(self, seen: Seen) -> Standing | None:
        """Return the abort of the release on trial; None if it was not aborted."""
        trial = self._state.device_state.trial
        if trial is None or not trial.plan:
            return None
        for standing in self._mine(seen):
            if standing.plan == trial.plan and standing.state == "aborted":
                return standing
        return None

    def choose(self, seen: Seen, running: float) -> Choice:
        """Return the first rollout with a release for the device; otherwise the first rollout, with its reason.

        Args:
            seen: newest verified metadata.
            running: total running seconds of the agent.

        Raises:
            OutputError: the disk is full or broken.
        """
        first: Choice | None = None
        trouble = ""
        self._state.date_tags(max(self._clock.wall(), seen.signed))
        for standing in self._candidates(seen):
            try:
                plan = self._plan(standing.plan, standing.sha256)
            except (Unreachable, Refused) as error:
                trouble = trouble or f"plan {standing.plan}: {error}"
                continue
            if self._for_others(plan):
                continue
            followed = self._follow(standing, running)
            verdict = decide(plan, standing, self._traits(plan), self._moment(seen, running, followed))
            if verdict.stage > followed.stage:
                self._state.change(
                    plans=_with(self._state.device_state, msgspec.structs.replace(followed, stage=verdict.stage))
                )
            choice = Choice(plan=plan, standing=standing, verdict=verdict)
            if verdict.target is not None:
                return choice
            first = first or choice
        return first or Choice(verdict=Verdict(why=trouble or "no rollout for this device"))

    def _for_others(self, plan: Plan) -> bool:
        """Return whether a plan lists single devices and this is none of them: nothing of it needs to be kept."""
        traits = self._traits(plan)
        return lists_devices(plan) and not any(invited(plan, stage, traits) for stage in range(len(plan.stages)))

    def _mine(self, seen: Seen) -> Iterator[Standing]:
        """Yield the standings of the product; an abort that was seen once or signed offline is permanent."""
        for standing in seen.standings.rollouts if seen.standings else ():
            if standing.product != self._config.product:
                continue
            known = self._state.device_state.followed(standing.plan)
            aborted = standing.plan in seen.aborted or (known is not None and known.aborted)
            if aborted and standing.state != "aborted":
                yield msgspec.structs.replace(standing, state="aborted", revert=False)
            elif known is None or known.sha256 == standing.sha256:
                yield standing

    def _candidates(self, seen: Seen) -> list[Standing]:
        current = self._state.device_state
        mine = list(self._mine(seen))
        # The plan of the active release is unknown only if the state was lost: then evaluate all aborts.
        back = [
            standing for standing in mine
            if standing.state == "aborted" and standing.revert
            and (standing.plan == current.plan or (not current.plan and current.counter))
        ]  # fmt: skip
        forward = [standing for standing in mine if standing.state != "aborted"][:_LOOKED_AT]
        last = [standing for standing in mine if standing.state == "aborted" and standing not in back][:1]
        return [*back, *forward, *last]

    def _follow(self, standing: Standing, running: float) -> Followed:
        """Return the record of a plan; record a new plan durably as seen now."""
        current, aborted = self._state.device_state, standing.state == "aborted"
        known = current.followed(standing.plan)
        if known is None:
            known = Followed(id=standing.plan, sha256=standing.sha256, seen=running, aborted=aborted)
            self._state.change(plans=(*current.plans, known))
        elif aborted and not known.aborted:
            known = msgspec.structs.replace(known, aborted=True)
            self._state.change(plans=_with(current, known))
        return known

    def _traits(self, plan: Plan) -> Traits:
        current, link = self._state.device_state, self._state.link
        return Traits(
            device=link.device, tags=link.tags_for(plan.starts), profile=self._config.profile,
            product=self._config.product, counter=current.counter, floor=current.floor,
            burned=frozenset(current.burned), version=self._config.version,
        )  # fmt: skip

    def _moment(self, seen: Seen, running: float, followed: Followed) -> Moment:
        wall = self._clock.wall()
        return Moment(
            now=max(wall, seen.signed), trusted=wall >= seen.signed, running=running, seen=followed.seen,
            fresh=seen.fresh, wall=wall,
        )  # fmt: skip


def _with(current: DeviceState, changed: Followed) -> tuple[Followed, ...]:
    return tuple(changed if followed.id == changed.id else followed for followed in current.plans)
