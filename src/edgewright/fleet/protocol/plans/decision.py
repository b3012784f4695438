"""The decision of one device about a plan, and maintenance windows."""

from __future__ import annotations

import functools
import hashlib
import math
import re
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping

import msgspec

from edgewright.core.records.fleet import Cohort, Plan, Release, Standing, State, Window


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of a device that cohorts and places depend on.

    Attributes:
        device: id that the control plane assigned; empty before enrolment, when the device has no place.
        tags: tags from the enrolment token or an operator.
        profile: hardware profile.
        product: product whose releases it follows.
        counter: counter of the active release; 0 for a package that came with the device.
        floor: lowest release counter that it may activate.
        burned: counters of releases that failed on this device.
        version: version of Edgewright on the device.
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
    """The time as the device knows it.

    Attributes:
        now: seconds since 1970, the later of the wall clock and the latest signed time.
        trusted: whether the wall clock is at or after the latest signed time. If not, `now` depends on online keys
            alone, and the elapsed time of a plan is `running - seen`.
        running: total seconds that the device's agent has run, stored durably.
        seen: value of `running` when the device first saw the plan.
        fresh: whether the role that signs standings has not expired; an abort counts even after it has.
        wall: the wall clock, for maintenance windows.
    """

    now: float
    trusted: bool
    running: float
    seen: float
    fresh: bool
    wall: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The decision about a plan on one device.

    Attributes:
        target: release to download and test in the other slot; None for none.
        go: whether the device may activate it now; if `gated`, only after an acknowledged intent.
        gated: whether the control plane must acknowledge an intent first.
        back: whether `target` is the plan's rollback release, which needs neither intent nor trial.
        stage: index of the stage that applies to the device; -1 for none.
        wait: seconds after which the decision can change without news; 0 if only news can change it.
        why: the reason in one line for people, never empty.
    """

    target: Release | None = None
    go: bool = False
    gated: bool = False
    back: bool = False
    stage: int = -1
    wait: float = 0.0
    why: str


def earliest(plan: Plan, stage: int) -> float:
    """Return the earliest begin of a stage in seconds after the plan's start: the sum of the dwells before it."""
    return sum(part.dwell for part in plan.stages[:stage])


def elapsed(plan: Plan, moment: Moment) -> float:
    """Return how long the plan has been running, in seconds that the device can trust.

    A wall clock behind the latest signed time is wrong, and signed time comes from online keys: a thief of such a key
    could claim that the dwells are over. In that case only the device's own running time since it saw the plan counts.
    """
    return moment.now - plan.starts if moment.trusted else moment.running - moment.seen


def reached(plan: Plan, moment: Moment) -> int:
    """Return the last stage whose earliest time has come; -1 before the plan starts."""
    gone = elapsed(plan, moment)
    return max((k for k in range(len(plan.stages)) if earliest(plan, k) <= gone), default=-1)


def until(plan: Plan, stage: int, moment: Moment) -> float:
    """Return the seconds until the stage may begin; 0 if it already may."""
    return max(0.0, earliest(plan, stage) - elapsed(plan, moment))


def belongs(cohort: Cohort, salt: str, traits: Traits) -> bool:
    """Return whether the device meets every condition of the cohort."""
    if cohort.tags and not set(cohort.tags) & set(traits.tags):
        return False
    if cohort.profiles and traits.profile not in cohort.profiles:
        return False
    if cohort.counters is not None and not cohort.counters[0] <= traits.counter <= cohort.counters[1]:
        return False
    return not cohort.devices or listed(salt, traits.device) in cohort.devices


def invited(plan: Plan, stage: int, traits: Traits) -> bool:
    """Return whether the device is in one of the stage's cohorts, regardless of its place."""
    names = plan.stages[stage].cohorts
    return not names or any(belongs(plan.cohorts[name], plan.salt, traits) for name in names if name in plan.cohorts)


def lists_devices(plan: Plan) -> bool:
    """Return whether a plan is for single devices only, which its cohorts list by name, as `device deploy` signs it."""
    return all(
        stage.cohorts and all(plan.cohorts[name].devices for name in stage.cohorts if name in plan.cohorts)
        for stage in plan.stages
    )


def first_stage(plan: Plan, traits: Traits) -> int | None:
    """Return the index of the first stage that includes the device; None if no stage does.

    A device that a stage includes is in all later stages too. The hold-out group waits for the last of several stages.
    """
    here = position(plan.salt, plan.id, traits.device)
    last = len(plan.stages) - 1
    waits = last > 0 and plan.holdout > 0.0 and held_out(plan.salt, plan.id, traits.device, plan.holdout)
    for index, stage in enumerate(plan.stages):
        if waits and index < last:
            continue
        if here < stage.percent and invited(plan, index, traits):
            return index
    return None


WHOLE = 100.0
_BLOCK = 64
"""Bytes of a block of SHA-256."""


def _digest(salt: str, *words: str) -> bytes:
    """Return the HMAC-SHA256 (RFC 2104) of words joined by a zero byte, which no word contains.

    Many devices differ in the last word alone: the hashes of what precedes it are copied.
    """
    return _ended_hash(*_hash_states(salt, "\0".join((*words[:-1], ""))), words[-1])


def _ended_hash(inner: hashlib._Hash, outer: hashlib._Hash, word: str) -> bytes:
    inner, outer = inner.copy(), outer.copy()
    inner.update(word.encode())
    outer.update(inner.digest())
    return outer.digest()


@functools.lru_cache(256)
def _hash_states(salt: str, begin: str) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Return the inner hash of an HMAC after the beginning of a message, and its outer hash."""
    key = bytes.fromhex(salt)
    key = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))
    inner.update(begin.encode())
    return inner, outer


def _percent(digest: bytes) -> float:
    """Map the first 64 bits to a number in [0, 100).

    Only the upper 53 bits are used: with all 64, one device in 2^54 would round up to 100.
    """
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53 * WHOLE


def position(salt: str, plan: str, device: str) -> float:
    """Return the device's place in [0, 100) percent; a stage includes it if the stage's percent is above its place.

    Args:
        salt: salt of the plan, hexadecimal.
        plan: id of the plan.
        device: id of the device.
    """
    return _percent(_digest(salt, "place", plan, device))


def held_out(salt: str, plan: str, device: str, percent: float) -> bool:
    """Return whether the device is in the hold-out group, which keeps the old release until the last stage.

    The hash differs from that of `position`, so the hold-out group is a random sample of every stage.
    """
    return _percent(_digest(salt, "holdout", plan, device)) < percent


def stage_by_place(plan: Plan) -> Callable[[str], int | None] | None:
    """Return the function from a device's id to its first stage where its place alone decides; None where more does.

    It needs no traits, so that a look at all devices of a large fleet takes a fraction of the time of `first_stage`.
    """
    if plan.holdout or any(stage.cohorts for stage in plan.stages):
        return None
    ends = [stage.percent for stage in plan.stages]
    inner, outer = _hash_states(plan.salt, f"place\0{plan.id}\0")

    def stage_of(device: str) -> int | None:
        stage = bisect_right(ends, _percent(_ended_hash(inner, outer, device)))
        return stage if stage < len(ends) else None

    return stage_of


def listed(salt: str, device: str) -> str:
    """Return the name of a single device in a signed list: 64 hexadecimal digits."""
    return _digest(salt, "device", device).hex()


def decide(plan: Plan, standing: Standing, traits: Traits, moment: Moment) -> Verdict:
    """Decide what the device should do about one plan.

    The function is pure: the control plane, the device and the simulator get the same answer. The caller has verified
    both signatures and that the standing names the hash of the plan.
    """
    if standing.plan != plan.id or standing.product != plan.release.product:
        return Verdict(why=f"the standing is of plan {standing.plan!r}, not of {plan.id!r}")
    if plan.release.product != traits.product:
        return Verdict(why=f"the plan is for product {plan.release.product!r}, this device follows {traits.product!r}")
    if standing.state == "aborted":
        return _aborted(plan, standing, traits)
    refusal = unfit(plan.release, traits) or _not_now(plan, standing, moment)
    if refusal is not None:
        return refusal
    return _placed(plan, standing, traits, moment)


def _aborted(plan: Plan, standing: Standing, traits: Traits) -> Verdict:
    """Decide about an aborted rollout: the release is known to be bad, so neither expiry nor windows apply."""
    number = plan.release.counter
    if traits.counter != number:
        return Verdict(stage=standing.stage, why=f"rollout of release {number} was aborted; it is not active here")
    if not standing.revert or plan.revert is None:
        return Verdict(stage=standing.stage, why=f"rollout of release {number} was aborted, and rolls no device back")
    refusal = unfit(plan.revert, traits)
    if refusal is not None:
        return refusal
    why = f"release {number} was aborted: back to the previous bytes, as release {plan.revert.counter}"
    return Verdict(target=plan.revert, go=True, back=True, stage=standing.stage, why=why)


def unfit(release: Release, traits: Traits) -> Verdict | None:
    """Return why a device never takes a release; None where it may."""
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
    if release.minimum_version and _version(traits.version) < _version(release.minimum_version):
        have = traits.version or "an unknown version"
        return Verdict(why=f"release {number} needs Edgewright {release.minimum_version}, this device has {have}")
    return None


def _not_now(plan: Plan, standing: Standing, moment: Moment) -> Verdict | None:
    """Return why no device may begin now; None if some may."""
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
    """Decide whether the current stage includes this device."""
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
    verdict = Verdict(target=release, gated=gated, stage=allowed, why="")
    if not moment.fresh:
        return _but(verdict, "the rollout metadata has expired: nothing starts until it is renewed")
    # A device without a trusted clock uses the latest signed time.
    wall = moment.wall if moment.trusted else moment.now
    if not is_open(plan.windows, wall):
        wait = opens_in(plan.windows, wall) or 0.0
        windows = ", ".join(say(window) for window in plan.windows)
        return _but(verdict, f"outside of maintenance ({windows}); next in {lasting(wait)}", wait)
    here = percent(position(plan.salt, plan.id, traits.device))
    why = f"place {here} is within the {percent(plan.stages[allowed].percent)} of stage {_name(plan, allowed)}"
    return Verdict(target=release, go=True, gated=gated, stage=allowed, why=why)


def _but(verdict: Verdict, why: str, wait: float = 0.0) -> Verdict:
    return Verdict(target=verdict.target, gated=verdict.gated, stage=verdict.stage, wait=wait, why=why)


def _outside(plan: Plan, stage: int, mine: int | None, traits: Traits) -> str:
    """Return why no stage up to this one includes the device."""
    name = _name(plan, stage)
    if not any(invited(plan, index, traits) for index in range(stage + 1)):
        return f"in no cohort of stage {name} or before it"
    here = position(plan.salt, plan.id, traits.device)
    waits = held_out(plan.salt, plan.id, traits.device, plan.holdout)
    if waits and stage < len(plan.stages) - 1 and here < plan.stages[stage].percent:
        return f"among the {percent(plan.holdout)} that keep the old release until the last stage, for comparison"
    later = f"; it starts at stage {_name(plan, mine)}" if mine is not None else "; no stage of the plan reaches it"
    return f"place {percent(here)} is beyond the {percent(plan.stages[stage].percent)} of stage {name}{later}"


def _name(plan: Plan, stage: int) -> str:
    """Return the number and name of a stage, such as "2 of 4 'wide'"."""
    known = f" {plan.stages[stage].name!r}" if stage < len(plan.stages) else ""
    return f"{stage + 1} of {len(plan.stages)}{known}"


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version such as 0.1.0; a suffix such as 'rc1' is ignored."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    "running": ("paused", "finished", "aborted"),
    "paused": ("running", "finished", "aborted"),
    "finished": ("aborted",),
    "aborted": (),
}
"""Allowed next states of each state. The rows are in order of strictness, the strictest last."""
UNDER_WAY = tuple(state for state, following in TRANSITIONS.items() if "finished" in following)


MINUTES = 1440
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _week(window: Window) -> set[tuple[int, int, int]]:
    """Return a window's intervals in the week as (weekday, first minute, end minute); midnight splits an interval."""
    parts: set[tuple[int, int, int]] = set()
    for weekday in window.days:
        if window.start < window.end:
            parts.add((weekday, window.start, window.end))
        elif window.start > window.end:  # such as 22:00-04:00: the day is the one on which it begins
            parts.add((weekday, window.start, MINUTES))
            parts.add(((weekday + 1) % 7, 0, window.end))
    return {part for part in parts if part[1] < part[2]}


def _moment(wall: float) -> tuple[int, float]:
    """Return the weekday (Monday is 0) and the minutes since midnight, in UTC. 1 January 1970 was a Thursday."""
    days, rest = divmod(wall, 86_400.0)
    return int(days + 3) % 7, rest / 60.0


def is_open(windows: tuple[Window, ...], wall: float) -> bool:
    """Return whether a time is in one of the windows; without windows every time is.

    Args:
        windows: windows of the plan; a window with its end before its start crosses midnight.
        wall: seconds since 1970.
    """
    if not windows:
        return True
    if not math.isfinite(wall):
        return False
    day, minute = _moment(wall)
    return any(day == d and start <= minute < end for window in windows for d, start, end in _week(window))


def opens_in(windows: tuple[Window, ...], wall: float) -> float | None:
    """Return the seconds until the next window opens; 0 if one is open, None if none ever opens."""
    if is_open(windows, wall):
        return 0.0
    if not math.isfinite(wall):
        return None
    day, minute = _moment(wall)
    now = day * MINUTES + minute
    starts = [d * MINUTES + start for window in windows for d, start, _ in _week(window)]
    return min((start - now) % (7 * MINUTES) for start in starts) * 60.0 if starts else None


def open_s(windows: tuple[Window, ...], start: float, end: float) -> float:
    """Return for how many seconds between two times one of the windows was open; all of them without windows."""
    if not windows:
        return max(0.0, end - start)
    return max(0.0, _open_until(windows, end) - _open_until(windows, start))


def _open_until(windows: tuple[Window, ...], wall: float) -> float:
    """Return the open seconds from Monday, 29 December 1969, to a time."""
    week, rest = divmod(wall / 60.0 + 3 * MINUTES, 7 * MINUTES)
    total = partial = reached = 0.0
    for first, last in sorted((d * MINUTES + a, d * MINUTES + b) for window in windows for d, a, b in _week(window)):
        begin = max(reached, first)
        reached = max(reached, last)
        total += max(0.0, last - begin)
        partial += max(0.0, min(last, rest) - begin)
    return (week * total + partial) * 60.0


def say(window: Window) -> str:
    """Format a window, such as 'sat,sun 02:00-05:00 UTC'."""
    days = "any day" if len(set(window.days)) == 7 else ",".join(NAMES[day] for day in sorted(set(window.days)))
    clock = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (window.start, window.end))
    return f"{days} {'-'.join(clock)} UTC"


def parse(text: str) -> Window:
    """Parse a window such as 'sat,sun 02:00-05:00' or '22:00-04:00' (any day).

    Raises:
        ValueError: the text has another form.
    """
    *days, span = text.strip().lower().split()
    if len(days) > 1:
        raise ValueError(f"days without spaces and one span of hours, not {text!r}")
    names = days[0].split(",") if days else list(NAMES)
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ValueError(f"days as {','.join(NAMES)}, not {unknown[0]!r}")
    minutes = []
    for clock in span.split("-"):
        at = time.strptime(clock, "%H:%M") if clock != "24:00" else None
        minutes.append(at.tm_hour * 60 + at.tm_min if at else MINUTES)
    if len(minutes) != 2:
        raise ValueError(f"hours as 02:00-05:00, not {span!r}")
    return Window(days=tuple(sorted(NAMES.index(name) for name in set(names))), start=minutes[0], end=minutes[1])


_UNITS = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


def percent(value: float) -> str:
    """Format a percentage, such as '10 %' or '0.25 %'."""
    return f"{value:.4g} %"


def lasting(seconds: float) -> str:
    """Format a duration such as '90 s', '2 h' or '1.5 d', in the largest unit with a value of 1 or at least 1.5."""
    for name, size in _UNITS:
        if seconds >= 1.5 * size or seconds == size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


def day(at: float) -> str:
    """Format a time such as '2026-11-20 15:30 UTC'; outside the calendar's range, as seconds since 1970."""
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f} s"
