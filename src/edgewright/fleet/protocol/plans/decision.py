"""What a plan and its standing say to one device: the stricter of what was signed offline and what is signed online."""

from __future__ import annotations

import re

from edgewright.fleet.protocol.plans.eligibility import (
    Moment,
    Traits,
    Verdict,
    first_stage,
    held_out,
    invited,
    place,
    reached,
    until,
)
from edgewright.fleet.protocol.plans.formatting import day, lasting, percent
from edgewright.fleet.protocol.plans.windows import is_open, opens_in, say
from edgewright.schema.fleet_plan import Plan, Release, Standing


def decide(plan: Plan, standing: Standing, traits: Traits, moment: Moment) -> Verdict:
    """Return what the device should do about one plan.

    Nothing is kept between calls and nothing is asked of the world: the control plane, the device and the simulator get
    the same answer. The caller has verified both, and that the standing names the plan's bytes.
    """
    if standing.plan != plan.id or standing.product != plan.release.product:
        return Verdict(why=f"the standing is of plan {standing.plan!r}, not of {plan.id!r}")
    if plan.release.product != traits.product:
        return Verdict(why=f"the plan is for product {plan.release.product!r}, this device follows {traits.product!r}")
    if standing.state == "aborted":
        return _aborted(plan, standing, traits)
    refusal = _unfit(plan.release, traits) or _not_now(plan, standing, moment)
    if refusal is not None:
        return refusal
    return _placed(plan, standing, traits, moment)


def _aborted(plan: Plan, standing: Standing, traits: Traits) -> Verdict:
    """Return an abort counts however old it is, in any window: what it calls back is known to be bad."""
    number = plan.release.counter
    if traits.counter != number:
        return Verdict(stage=standing.stage, why=f"rollout of release {number} was aborted; it is not active here")
    if not standing.revert or plan.revert is None:
        return Verdict(stage=standing.stage, why=f"rollout of release {number} was aborted, and calls nobody back")
    refusal = _unfit(plan.revert, traits)
    if refusal is not None:
        return refusal
    why = f"release {number} was aborted: back to the bytes before it, as release {plan.revert.counter}"
    return Verdict(target=plan.revert, go=True, back=True, stage=standing.stage, why=why)


def _unfit(release: Release, traits: Traits) -> Verdict | None:
    """Why this device never takes the release; None where it may."""
    number = release.counter
    if traits.counter == number:
        return Verdict(why=f"release {number} is active")
    if number in traits.burned:
        return Verdict(why=f"release {number} failed here before")
    if number < traits.floor:
        return Verdict(why=f"release {number} is below the floor {traits.floor}")
    if number < traits.counter:
        return Verdict(why=f"release {number} is older than release {traits.counter}, which is active")
    if release.profiles and traits.profile not in release.profiles:
        wanted = ", ".join(release.profiles)
        return Verdict(why=f"release {number} is for profile {wanted}, this device has {traits.profile or 'none'}")
    if release.least and _version(traits.version) < _version(release.least):
        have = traits.version or "an unknown version"
        return Verdict(why=f"release {number} needs Edgewright {release.least}, this device has {have}")
    return None


def _not_now(plan: Plan, standing: Standing, moment: Moment) -> Verdict | None:
    """Why nobody may begin now; None where some may."""
    stage = standing.stage
    if standing.state == "paused":
        return Verdict(stage=stage, why=f"paused at stage {_name(plan, stage)}")
    if stage >= len(plan.stages):
        return Verdict(why=f"the standing names stage {stage + 1}, the plan has {len(plan.stages)}")
    if moment.now >= plan.expires:
        return Verdict(stage=stage, why=f"the plan expired on {day(plan.expires)}")
    if moment.now < plan.starts:
        wait = plan.starts - moment.now
        return Verdict(stage=stage, wait=wait, why=f"the plan starts on {day(plan.starts)}, in {lasting(wait)}")
    return None


def _placed(plan: Plan, standing: Standing, traits: Traits, moment: Moment) -> Verdict:
    """Return whether the stage that holds has come to this device."""
    if not traits.device:
        return Verdict(stage=standing.stage, why="not enrolled yet: without an id a device has no place")
    allowed = min(standing.stage, reached(plan, moment))
    mine = first_stage(plan, traits)
    if mine is None or mine > standing.stage:
        return Verdict(stage=allowed, why=_outside(plan, standing.stage, mine, traits))
    if mine > allowed:
        wait = until(plan, mine, moment)
        why = f"stage {_name(plan, mine)} may not begin before {lasting(wait)} have passed, whatever is said online"
        return Verdict(stage=allowed, wait=wait, why=why)
    release, gated = plan.release, plan.stages[allowed].gated
    held = Verdict(target=release, gated=gated, stage=allowed, why="")
    if not moment.fresh:
        return _but(held, "the word about rollouts has expired: nothing begins until there is news")
    # Without a clock of its own that can be true, a device goes by the latest signed time.
    wall = moment.wall if moment.trusted else moment.now
    if not is_open(plan.windows, wall):
        wait = opens_in(plan.windows, wall) or 0.0
        windows = ", ".join(say(window) for window in plan.windows)
        return _but(held, f"outside of maintenance ({windows}); next in {lasting(wait)}", wait)
    here = percent(place(plan.salt, plan.id, traits.device))
    why = f"place {here} is within the {percent(plan.stages[allowed].percent)} of stage {_name(plan, allowed)}"
    return Verdict(target=release, go=True, gated=gated, stage=allowed, why=why)


def _but(held: Verdict, why: str, wait: float = 0.0) -> Verdict:
    return Verdict(target=held.target, gated=held.gated, stage=held.stage, wait=wait, why=why)


def _outside(plan: Plan, stage: int, mine: int | None, traits: Traits) -> str:
    """Why a device is not in any stage up to this one."""
    name = _name(plan, stage)
    if not any(invited(plan, index, traits) for index in range(stage + 1)):
        return f"in no cohort of stage {name} or before it"
    here = place(plan.salt, plan.id, traits.device)
    waits = held_out(plan.salt, plan.id, traits.device, plan.holdout)
    if waits and stage < len(plan.stages) - 1 and here < plan.stages[stage].percent:
        return f"among the {percent(plan.holdout)} that keep the old release until the last stage, to compare with"
    later = f"; its turn is stage {_name(plan, mine)}" if mine is not None else "; no stage of the plan reaches it"
    return f"place {percent(here)} is beyond the {percent(plan.stages[stage].percent)} of stage {name}{later}"


def _name(plan: Plan, stage: int) -> str:
    """Such as "2 of 4 'wide'"."""
    known = f" {plan.stages[stage].name!r}" if stage < len(plan.stages) else ""
    return f"{stage + 1} of {len(plan.stages)}{known}"


def _version(text: str) -> tuple[int, ...]:
    """Return numbers of a version such as 0.1.0; what follows them, such as 'rc1', does not count."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
