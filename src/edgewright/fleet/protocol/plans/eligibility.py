"""What a device knows of itself and of the time when it reads a plan, and what the plan says to it."""

from __future__ import annotations

import hmac

import msgspec

from edgewright.schema.fleet_plan import Cohort, Plan, Release


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
