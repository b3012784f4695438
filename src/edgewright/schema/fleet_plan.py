"""What is signed about releases and rollouts: a release, its plan, and where each plan stands."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

FORMAT = 1
KEEP_AGENT_VARIABLE = "EDGEWRIGHT_KEEP_AGENT"
"""Of the environment of all that `device run --keep-agent` starts: no release brings code."""
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Percent = Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
State = Literal["running", "paused", "aborted", "finished"]
Measure = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_]{0,62}$")]
"""What a gate looks at: a file of `core.measures` of the control plane. Devices obey plans with gates of newer ones."""


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is signed: what a reader does not know it does not obey."""

    format: int = FORMAT


class Release(Signed, frozen=True, kw_only=True):
    """One package under one number.

    Attributes:
        product: product, which is a line of packages; a device follows one product.
        counter: rises with every release of the product; a device never activates one below its floor, nor one that
            failed there before.
        target: path of the package among the signed targets.
        sha256, length: SHA-256 and length of the package in bytes.
        package: the package's own name and the first 16 digits of its hash, for people.
        profiles: hardware profiles that it is for; empty for all.
        minimum_version: version of Edgewright on the device from which it runs; empty for any.
    """

    product: Id
    counter: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    target: str
    sha256: Hex
    length: Annotated[int, msgspec.Meta(ge=1, le=1 << 30)]
    package: str = ""
    profiles: tuple[str, ...] = ()
    minimum_version: str = msgspec.field(default="", name="least")


class Cohort(Signed, frozen=True, kw_only=True):
    """Which devices: all conditions that are named must hold; none named means every device of the product.

    Attributes:
        tags: the device has at least one of them.
        profiles: its hardware profile is one of them.
        counters: (lowest, highest) release that it runs now.
        devices: HMAC-SHA256(salt, 'device' and id) of single devices: a list tells nobody who is on it.
    """

    tags: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    counters: tuple[int, int] | None = None
    devices: tuple[Hex, ...] = ()


class Stage(Signed, frozen=True, kw_only=True):
    """A step of a rollout.

    Attributes:
        name: such as 'canary'.
        percent: ceiling; devices of the cohorts whose place is below it may activate.
        cohorts: names of the plan's cohorts; empty for all devices of the product.
        dwell: seconds for which the stage lasts at least, by the signed clock, before the next may begin.
        gated: a device activates only after the control plane acknowledged its intent, durably.
    """

    name: Id
    percent: Percent
    cohorts: tuple[Id, ...] = ()
    dwell: Seconds = 0.0
    gated: bool = True


class Gate(Signed, frozen=True, kw_only=True):
    """A limit on what the devices of a stage report, before the next stage and during the whole rollout.

    Attributes:
        measure: name of the measure.
        limit: largest allowed value of `quantile` over the devices; for a measure of `gates.SHARES`, the largest share.
        ratio: largest allowed value relative to devices that have the old release at the same time; 0 turns this off.
        quantile: quantile of the devices' values; .5 is the median, which is robust to false reports.
        quorum: devices that must have reported before the gate says anything but 'hold'.
        batch: largest share of the votes that devices of one enrolment batch may have.
    """

    measure: Measure
    limit: float = 0.0
    ratio: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0
    quantile: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5
    quorum: Annotated[int, msgspec.Meta(ge=1)] = 5
    batch: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.5


class Window(Signed, frozen=True, kw_only=True):
    """When a device may activate, by its own wall clock in UTC: days 0 (Monday) to 6, minutes of the day."""

    days: tuple[Annotated[int, msgspec.Meta(ge=0, le=6)], ...] = (0, 1, 2, 3, 4, 5, 6)
    start: Annotated[int, msgspec.Meta(ge=0, le=1440)] = 0
    end: Annotated[int, msgspec.Meta(ge=0, le=1440)] = 1440


class TrialLimits(Signed, frozen=True, kw_only=True):
    """What a device asks of a new package before it confirms it; beyond any of them it goes back by itself.

    Attributes:
        seconds: duration of the trial in seconds; only time with arriving rows counts.
        patience: seconds after which a trial without enough rows is reverted; 0 waits without a limit.
        crashes: ends of the model's process and of its programs that were not asked for; one more and the device goes
            back.
        boots: starts after a power loss during the trial, counted apart from crashes.
        latency: largest 99th percentile of the time from the last row to the answer, in seconds; 0 turns this limit
            off, as for all limits below.
        memory: resident bytes of the model's process; the hard limit that it runs under too.
        unsure: share of answers below the package's confidence threshold.
        drift: share of channels that drift.
        alarms: a day.
        anomalies: a day.
    """

    seconds: Seconds = 600.0
    patience: Seconds = 86_400.0
    crashes: Annotated[int, msgspec.Meta(ge=0, le=100)] = 2
    boots: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    latency: Seconds = 0.0
    memory: Annotated[int, msgspec.Meta(ge=0)] = 0
    unsure: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    drift: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    alarms: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0
    anomalies: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0


class Plan(Signed, frozen=True, kw_only=True, omit_defaults=True):
    """Signed offline: the most that a rollout may ever do.

    Attributes:
        id: unique for ever; also the name of the target `plans/ID.json`.
        release: the new release; `revert` contains the old bytes under the counter `release.counter + 1`, to which an
            aborted rollout may return. It is None for the first release of a product.
        salt: 32 random bytes in hexadecimal, unique to this plan.
        cohorts: cohorts by name.
        stages: stages in their order; percents of stages over the same cohorts never fall.
        holdout: percent of the devices that stay with the old release until the last stage, to compare with.
        gates: asked in every stage, `trial` by every device.
        windows: maintenance windows; empty for any time.
        starts, expires: seconds since 1970, by the signed clock; before and after them nobody activates.
        enrolled: seconds since 1970; devices enrolled later take part but do not count in gates.
        silence: seconds after an acknowledged intent in which a device must have reported, else it counts as failed.
        pace: activations an hour that the control plane acknowledges in gated stages; 0: any number.
        unconfirmed: percent of the devices that were offered the release, and at least one of them, that may be without
            confirmed health when a stage ends.
        watch: seconds after its end for which a finished rollout stays under its gates.

    Fields that hold their default are not written: devices of older versions read plans that do not use newer fields.
    A default must therefore never change.
    """

    id: Id
    release: Release
    revert: Release | None = None
    salt: Hex
    cohorts: dict[Id, Cohort] = msgspec.field(default_factory=dict)
    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1, max_length=64)]
    holdout: Percent = 0.0
    gates: tuple[Gate, ...] = ()
    trial: TrialLimits = TrialLimits()
    windows: tuple[Window, ...] = ()
    starts: float
    expires: float
    enrolled: float
    silence: Seconds = 7200.0
    pace: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0
    unconfirmed: Percent = 5.0
    watch: Seconds = 604_800.0
    note: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class Standing(Signed, frozen=True, kw_only=True):
    """Where one rollout stands, signed online. It can pick a stage of the plan, pause and abort; nothing else.

    Attributes:
        plan: its id; `sha256` of the plan's bytes.
        state: as `State`.
        stage: place in the plan's stages, from 0.
        entered: seconds since 1970 when the stage began.
        revert: an aborted rollout calls back those that have the release, to the plan's `revert`.
    """

    plan: Id
    sha256: Hex
    product: Id
    state: State
    stage: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0
    entered: float = 0.0
    revert: bool = False


class Standings(Signed, frozen=True, kw_only=True):
    """The target `rollouts/index.json`: every rollout that is not over, newest first, and aborted ones for ever.

    Attributes:
        issued: seconds since 1970, when it was signed: the signed clock.
    """

    issued: float
    rollouts: Annotated[tuple[Standing, ...], msgspec.Meta(max_length=10_000)] = ()
