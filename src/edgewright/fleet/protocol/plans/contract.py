"""What a device knows of itself and of the time when it reads a plan, and what the plan says to it."""

from __future__ import annotations

import msgspec

from edgewright.schema.fleet_plan import Release


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
