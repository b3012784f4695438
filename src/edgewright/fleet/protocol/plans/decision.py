"""What a plan and its standing say to one device: the stricter of what was signed offline and what is signed online."""

from __future__ import annotations

import hmac
import re

import msgspec

from edgewright.fleet.protocol.plans.formatting import day, lasting, percent
from edgewright.fleet.protocol.plans.windows import is_open, opens_in, say
from edgewright.schema.fleet_plan import Cohort, Plan, Release, Standing


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """A device, as cohorts and places see it.

    Attributes:
        device: id that the control plane assigned; empty before enrolment: then it is on no list and has no place.
        tags: of its enrolment.
        profile: hardware profile.
        product: line of packages that it follows.
        counter: release that is active; 0 for a package that came with the device.
        floor: lowest release counter that it may activate.
        burned: counters that failed here.
        version: of Edgewright there.
    """

    device: str
    tags: tuple[str, ...] = ()
    profile: str = ""
    product: str
    counter: int
    floor: int = 0
    burned: frozenset[int] = frozenset()
    version: str = ""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What the device knows of the time.

    Attributes:
        now: seconds since 1970, the later of the wall clock and the latest signed time.
        trusted: the wall clock is not behind the latest signed time. Where it is not, `now` comes from online keys
            alone, and how long a plan has been going on is `running - seen`.
        running: seconds that the device's agent has run, ever, kept durably.
        seen: `running` when the plan was first seen.
        fresh: the role that signs standings has not expired; an abort counts even where it has.
        wall: the wall clock, for windows of maintenance.
    """

    now: float
    trusted: bool
    running: float
    seen: float
    fresh: bool
    wall: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan and its standing say to one device.

    Attributes:
        target: release that the device should have in its other slot, fetched and tested; None for nothing.
        go: it may be activated now, where `gated` after an acknowledged intent.
        gated: an intent must be acknowledged first.
        back: `target` is the plan's way back, which needs neither intent nor trial.
        stage: place of the stage that holds for the device; -1 for none.
        wait: seconds after which the answer may be another without news; 0 where only news change it.
        why: one line for people, always filled.
    """

    target: Release | None = None
    go: bool = False
    gated: bool = False
    back: bool = False
    stage: int = -1
    wait: float = 0.0
    why: str


def earliest(plan: Plan, stage: int) -> float:
    """Return seconds from the plan's start before which the stage cannot begin: the dwells of those before it."""
    return sum(part.dwell for part in plan.stages[:stage])


def elapsed(plan: Plan, moment: Moment) -> float:
    """Return seconds for which the plan has been going on, as the device may believe it.

    A wall clock that is behind the latest signed time is wrong, and signed time comes from online keys: who stole one
    could say that the dwells are over. Then only the time counts that the device itself ran since it saw the plan.
    """
    return moment.now - plan.starts if moment.trusted else moment.running - moment.seen


def reached(plan: Plan, moment: Moment) -> int:
    """Return the last stage whose earliest time has come; -1 before the plan starts."""
    gone = elapsed(plan, moment)
    return max((k for k in range(len(plan.stages)) if earliest(plan, k) <= gone), default=-1)


def until(plan: Plan, stage: int, moment: Moment) -> float:
    """Return seconds until the stage may begin; 0 where it may."""
    return max(0.0, earliest(plan, stage) - elapsed(plan, moment))


def belongs(cohort: Cohort, salt: str, traits: Traits) -> bool:
    """Return whether every condition that the cohort names holds for the device."""
    if cohort.tags and not set(cohort.tags) & set(traits.tags):
        return False
    if cohort.profiles and traits.profile not in cohort.profiles:
        return False
    if cohort.counters is not None and not cohort.counters[0] <= traits.counter <= cohort.counters[1]:
        return False
    return not cohort.devices or listed(salt, traits.device) in cohort.devices


def invited(plan: Plan, stage: int, traits: Traits) -> bool:
    """Return whether the stage's cohorts name the device, whatever its place."""
    names = plan.stages[stage].cohorts
    return not names or any(belongs(plan.cohorts[name], plan.salt, traits) for name in names if name in plan.cohorts)


def first_stage(plan: Plan, traits: Traits) -> int | None:
    """Return the first stage in which the device may take part; None where the plan never reaches it.

    Who may in a stage may in all later ones. The hold-out waits for the last, where there is more than one.
    """
    here = place(plan.salt, plan.id, traits.device)
    last = len(plan.stages) - 1
    waits = last > 0 and held_out(plan.salt, plan.id, traits.device, plan.holdout)
    for index, stage in enumerate(plan.stages):
        if waits and index < last:
            continue
        if here < stage.percent and invited(plan, index, traits):
            return index
    return None


WHOLE = 100.0


def _digest(salt: str, *words: str) -> bytes:
    """HMAC-SHA256 (RFC 2104) of words with a byte between them that none of them has."""
    return hmac.digest(bytes.fromhex(salt), b"\0".join(word.encode() for word in words), "sha256")


def _percent(digest: bytes) -> float:
    """Return the first 64 bits as a number from 0 up to 100, 100 never reached.

    Only 53 of the bits fit a float; more would round up to 100 for one device in 2^54.
    """
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53 * WHOLE


def place(salt: str, plan: str, device: str) -> float:
    """Percent from 0 up to 100: the device may take part in a stage whose percent is above it.

    Args:
        salt: of the plan, hexadecimal.
        plan: its id.
        device: its id.
    """
    return _percent(_digest(salt, "place", plan, device))


def held_out(salt: str, plan: str, device: str, percent: float) -> bool:
    """Return whether the device is one of those that keep the old release until the last stage.

    Another number than `place`, so that those who wait are a fair sample of every stage.
    """
    return _percent(_digest(salt, "holdout", plan, device)) < percent


def listed(salt: str, device: str) -> str:
    """How a single device is named in a signed list, 64 hexadecimal digits."""
    return _digest(salt, "device", device).hex()


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
        return Verdict(stage=standing.stage, why=f"rollout of release {number} was aborted, and rolls no device back")
    refusal = _unfit(plan.revert, traits)
    if refusal is not None:
        return refusal
    why = f"release {number} was aborted: back to the previous bytes, as release {plan.revert.counter}"
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
        return Verdict(stage=standing.stage, why="not enrolled yet: a device without an id has no place in the rollout")
    allowed = min(standing.stage, reached(plan, moment))
    mine = first_stage(plan, traits)
    if mine is None or mine > standing.stage:
        return Verdict(stage=allowed, why=_outside(plan, standing.stage, mine, traits))
    if mine > allowed:
        wait = until(plan, mine, moment)
        why = f"stage {_name(plan, mine)} may not begin for {lasting(wait)}, regardless of online metadata"
        return Verdict(stage=allowed, wait=wait, why=why)
    release, gated = plan.release, plan.stages[allowed].gated
    held = Verdict(target=release, gated=gated, stage=allowed, why="")
    if not moment.fresh:
        return _but(held, "the rollout metadata has expired: nothing starts until it is renewed")
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
        return f"among the {percent(plan.holdout)} that keep the old release until the last stage, for comparison"
    later = f"; it starts at stage {_name(plan, mine)}" if mine is not None else "; no stage of the plan reaches it"
    return f"place {percent(here)} is beyond the {percent(plan.stages[stage].percent)} of stage {name}{later}"


def _name(plan: Plan, stage: int) -> str:
    """Such as "2 of 4 'wide'"."""
    known = f" {plan.stages[stage].name!r}" if stage < len(plan.stages) else ""
    return f"{stage + 1} of {len(plan.stages)}{known}"


def _version(text: str) -> tuple[int, ...]:
    """Return numbers of a version such as 0.1.0; what follows them, such as 'rc1', does not count."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
