"""Selects the plan that the device follows: rollbacks first, then the newest."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import msgspec

from edgewright.fleet.device.device_state import DeviceState, Followed
from edgewright.fleet.device.ports import DeviceConfig
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.plans.decision import Moment, Traits, Verdict, decide, invited, lists_devices
from edgewright.fleet.protocol.ports import Clock, Refused, Seen, Trust, Unreachable
from edgewright.schema.fleet_plan import Plan, Standing

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
        trial = self._state.held.trial
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
        for standing in self._asked(seen):
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
                    plans=_with(self._state.held, msgspec.structs.replace(followed, stage=verdict.stage))
                )
            found = Choice(plan=plan, standing=standing, verdict=verdict)
            if verdict.target is not None:
                return found
            first = first or found
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
            known = self._state.held.followed(standing.plan)
            aborted = standing.plan in seen.aborted or (known is not None and known.aborted)
            if aborted and standing.state != "aborted":
                yield msgspec.structs.replace(standing, state="aborted", revert=False)
            elif known is None or known.sha256 == standing.sha256:
                yield standing

    def _asked(self, seen: Seen) -> list[Standing]:
        held = self._state.held
        mine = list(self._mine(seen))
        # The plan of the active release is unknown only if the state was lost: then evaluate all aborts.
        back = [
            one for one in mine
            if one.state == "aborted" and one.revert and (one.plan == held.plan or (not held.plan and held.counter))
        ]  # fmt: skip
        forward = [one for one in mine if one.state != "aborted"][:_LOOKED_AT]
        last = [one for one in mine if one.state == "aborted" and one not in back][:1]
        return [*back, *forward, *last]

    def _follow(self, standing: Standing, running: float) -> Followed:
        """Return the record of a plan; record a new plan durably as seen now."""
        held, aborted = self._state.held, standing.state == "aborted"
        known = held.followed(standing.plan)
        if known is None:
            known = Followed(id=standing.plan, sha256=standing.sha256, seen=running, aborted=aborted)
            self._state.change(plans=(*held.plans, known))
        elif aborted and not known.aborted:
            known = msgspec.structs.replace(known, aborted=True)
            self._state.change(plans=_with(held, known))
        return known

    def _traits(self, plan: Plan) -> Traits:
        held, link = self._state.held, self._state.link
        return Traits(
            device=link.device, tags=link.tags_for(plan.starts), profile=self._config.profile,
            product=self._config.product, counter=held.counter, floor=held.floor, burned=frozenset(held.burned),
            version=self._config.version,
        )  # fmt: skip

    def _moment(self, seen: Seen, running: float, followed: Followed) -> Moment:
        wall = self._clock.wall()
        return Moment(
            now=max(wall, seen.signed), trusted=wall >= seen.signed, running=running, seen=followed.seen,
            fresh=seen.fresh, wall=wall,
        )  # fmt: skip


def _with(held: DeviceState, changed: Followed) -> tuple[Followed, ...]:
    return tuple(changed if one.id == changed.id else one for one in held.plans)
