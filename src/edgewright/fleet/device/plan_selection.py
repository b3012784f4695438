"""Which plan the device follows now: newest first, a call back before all."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import msgspec

from edgewright.fleet.device.ports import DeviceConfig
from edgewright.fleet.device.state_database import DeviceState, Followed, State
from edgewright.fleet.protocol.plans.decision import Moment, Traits, Verdict, decide
from edgewright.fleet.protocol.ports import Clock, Refused, Seen, Trust, Unreachable
from edgewright.schema.fleet_plan import Plan, Standing

_PLANS = 8
_LOOKED_AT = 16
"""Rollouts of one product that a device looks at, newest first."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the device.

    Attributes:
        plan, standing: None where no rollout concerns it.
        verdict: always there.
    """

    plan: Plan | None = None
    standing: Standing | None = None
    verdict: Verdict


class PlanSelector:
    """Reads standings for this device.

    Args:
        state, trust, clock: ports.
        config: what the device is.
    """

    def __init__(self, state: State, trust: Trust, clock: Clock, config: DeviceConfig) -> None:
        self._state, self._trust, self._clock, self._config = state, trust, clock, config
        # The newest plans by name and hash; what failed is asked for again.
        self._plan = functools.lru_cache(_PLANS)(lambda name, sha256: trust.plan(name, sha256)[0])

    def aborted(self, seen: Seen) -> Standing | None:
        """Return the abort of the release that is on trial; None where there is none."""
        trial = self._state.held.trial
        if trial is None or not trial.plan:
            return None
        for standing in self._mine(seen):
            if standing.plan == trial.plan and standing.state == "aborted":
                return standing
        return None

    def choose(self, seen: Seen, running: float) -> Choice:
        """Return the first rollout that has something for the device; else the first of all, with its reason.

        Args:
            seen: newest verified word.
            running: durable running seconds of the agent.

        Raises:
            OutputError: the disk is full or broken.
        """
        first: Choice | None = None
        trouble = ""
        for standing in self._asked(seen):
            try:
                plan = self._plan(standing.plan, standing.sha256)
            except (Unreachable, Refused) as error:
                trouble = trouble or f"plan {standing.plan}: {error}"
                continue
            followed = self._follow(standing, running)
            verdict = decide(plan, standing, self._traits(), self._moment(seen, running, followed))
            if verdict.stage > followed.stage:
                self._state.change(
                    plans=_with(self._state.held, msgspec.structs.replace(followed, stage=verdict.stage))
                )
            found = Choice(plan=plan, standing=standing, verdict=verdict)
            if verdict.target is not None:
                return found
            first = first or found
        return first or Choice(verdict=Verdict(why=trouble or "no rollout for this device"))

    def _mine(self, seen: Seen) -> Iterator[Standing]:
        """Yield standings of the product; an abort that was seen once holds whatever is said later."""
        for standing in seen.standings.rollouts if seen.standings else ():
            if standing.product != self._config.product:
                continue
            known = self._state.held.followed(standing.plan)
            if known is not None and known.aborted and standing.state != "aborted":
                yield msgspec.structs.replace(standing, state="aborted", revert=False)
            elif known is None or known.sha256 == standing.sha256:
                yield standing

    def _asked(self, seen: Seen) -> list[Standing]:
        held = self._state.held
        mine = list(self._mine(seen))
        # Which plan brought the active release is unknown only where the state was lost: then all aborts are asked.
        back = [
            one for one in mine
            if one.state == "aborted" and one.revert and (one.plan == held.plan or (not held.plan and held.counter))
        ]  # fmt: skip
        forward = [one for one in mine if one.state != "aborted"][:_LOOKED_AT]
        last = [one for one in mine if one.state == "aborted" and one not in back][:1]
        return [*back, *forward, *last]

    def _follow(self, standing: Standing, running: float) -> Followed:
        """Return the plan as it is known; seen from now on where it is new, durably."""
        held, aborted = self._state.held, standing.state == "aborted"
        known = held.followed(standing.plan)
        if known is None:
            known = Followed(id=standing.plan, sha256=standing.sha256, seen=running, aborted=aborted)
            self._state.change(plans=(*held.plans, known))
        elif aborted and not known.aborted:
            known = msgspec.structs.replace(known, aborted=True)
            self._state.change(plans=_with(held, known))
        return known

    def _traits(self) -> Traits:
        held, link = self._state.held, self._state.link
        return Traits(
            device=link.device, tags=link.tags, profile=self._config.profile, product=self._config.product,
            counter=held.counter, floor=held.floor, burned=frozenset(held.burned), version=self._config.version,
        )  # fmt: skip

    def _moment(self, seen: Seen, running: float, followed: Followed) -> Moment:
        wall = self._clock.wall()
        return Moment(
            now=max(wall, seen.signed), trusted=wall >= seen.signed, running=running, seen=followed.seen,
            fresh=seen.fresh, wall=wall,
        )  # fmt: skip


def _with(held: DeviceState, changed: Followed) -> tuple[Followed, ...]:
    return tuple(changed if one.id == changed.id else one for one in held.plans)
