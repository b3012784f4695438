"""Records of the boards, reports, releases and rollout plans of a fleet."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

FORMAT = 1
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
        crashes: ends of the model's process that were not asked for; one more and the device goes
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


BoardName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
BoardText = Annotated[str, msgspec.Meta(max_length=300)]
BoardState = Literal[
    "waiting", "sending", "trial", "confirmed", "idle", "refused", "reverted", "firmware", "trouble", "unreachable"
]
"""'waiting' for the device's own trial or for its turn; 'trial': the weights are at work there and not confirmed yet;
'idle': the release has none for it; 'refused' by the board, and 'reverted': it went back from them by itself;
'firmware': they are for other code; 'trouble': they did not arrive whole or its flash failed; 'unreachable': no
answer."""
WORDS: dict[BoardState, str] = {
    "waiting": "waiting", "sending": "on their way", "trial": "on trial", "confirmed": "confirmed",
    "idle": "none for it", "refused": "refused", "reverted": "fell back", "firmware": "firmware update needed",
    "trouble": "in trouble", "unreachable": "unreachable",
}  # fmt: skip
"""States as people read them."""
FAILED: tuple[BoardState, ...] = ("refused", "reverted")
"""What says that the release is not well on a board."""
SETTLED: tuple[BoardState, ...] = ("confirmed", "idle", "refused", "reverted", "firmware")
"""What stays until the next release, or until somebody does something."""
MAX_BOARDS = 64


class BoardEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[[boards]]` of device.toml: a microcontroller to which the fleet's agent hands weights.

    Attributes:
        name: for people; unique on the device.
        link: 'serial:PORT@BAUD', or 'tcp:HOST:PORT' where a bridge holds the line.
        weights: name of its weights in packages (of the generated code); empty: whatever is for the board's code.
        key: Ed25519 public key that its code was exported with, 64 hexadecimal digits: what is not signed with it is
            not even sent. Empty: only the board looks at the signature, which it does in any case.
        trial: seconds for which the board must keep new weights, over all its starts, before they are confirmed.
        look: seconds between two looks at a board that has what it should.
    """

    name: BoardName
    link: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    weights: Annotated[str, msgspec.Meta(max_length=64)] = ""
    key: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    trial: Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)] = 60.0
    look: Annotated[float, msgspec.Meta(ge=1.0, le=86_400.0)] = 300.0


class BoardSeen(msgspec.Struct, frozen=True, kw_only=True):
    """How a board is, as its device saw it last.

    Attributes:
        name: name of the entry.
        state: as `BoardState`.
        release: of the device, whose weights it should have.
        counter: counter of the weights at work there; 0 for none, or where the board was never heard.
        wanted: counter of the weights that it should have; 0 for none.
        floor: the board takes only higher ones.
        layout: first 16 digits of the hash of its code.
        why: one line.
        seconds: since the device began with this release, or was started.
    """

    name: BoardName
    state: BoardState
    release: int = 0
    counter: int = 0
    wanted: int = 0
    floor: int = 0
    layout: Annotated[str, msgspec.Meta(max_length=16)] = ""
    why: BoardText = ""
    seconds: float = 0.0


class BoardAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One board of a round.

    Attributes:
        entry: as configured.
        confirm: its trial is over.
        send: weights may be sent to it; not where it has refused those of this release.
    """

    entry: BoardEntry
    confirm: bool = False
    send: bool = True


class BoardRound(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent asks of the process that looks at boards.

    Attributes:
        release: number of the device's release.
        package: its file.
        ways: folder of ways back.
        boards: to ask.
        trial: the release is on trial on the device itself: boards get its weights now only if it differs from the
            package before it in nothing else.
        before: file of that package; empty for none.
    """

    release: int
    package: str
    ways: str
    boards: tuple[BoardAsk, ...]
    trial: bool = False
    before: str = ""


def pending(seen: BoardSeen, release: int, patience: float) -> bool:
    """Return whether nothing can be said yet about a release on a board.

    Args:
        seen: of the board.
        release: that is asked about.
        patience: seconds after which a board that is away, or in trouble, is not waited for.
    """
    return seen.release == release and seen.state not in SETTLED and seen.seconds <= patience


DeviceId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
Key = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""Ed25519 public key, 32 bytes, base64."""
REPORT_FORMAT = 2
"""From format 2 on, the texts of reports contain codes of errors; those of format 1 may quote rows and files."""
Text = Annotated[str, msgspec.Meta(max_length=500)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
Phase = Literal["idle", "download", "ready", "intent", "trial", "quarantined"]
Because = Literal[
    "", "crash", "boots", "latency", "memory", "unsure", "drift", "alarms", "anomalies", "patience", "start",
    "vectors", "damaged", "refused", "aborted", "boards",
]  # fmt: skip
"""Why a device went back or did not take a release; 'boards': one behind it refused its weights or went back;
'damaged': its copy was damaged on this device or, from older agents, on the way to it."""


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A device asks to be taken in; the request is signed with the key that it names.

    Attributes:
        token: one-time.
        key: the device's public key, made on the device before it knows its id.
        name: for people.
        profile: hardware profile.
        product: that it follows.
        version: of Edgewright there.
    """

    token: Annotated[str, msgspec.Meta(min_length=16, max_length=200)]
    key: Key
    name: Name
    profile: Name
    product: Id
    version: Text = ""


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """The answer.

    Attributes:
        device: id, random, assigned by the control plane after it saw the key.
        tags: of the token.
        batch: of the token: votes are capped by it.
        at: seconds since 1970.
        nonce: that the first report returns.
    """

    device: DeviceId
    tags: tuple[str, ...]
    batch: str
    at: float
    nonce: str


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """How the model's process is doing, counted since it started or since the last report.

    Attributes:
        seconds: with rows arriving.
        windows, unsure, alarms, anomalies, crashes: counts.
        latency: p50 and p99, seconds.
        memory: resident bytes, largest seen.
        processor: seconds of a processor that the process used in `seconds`; 0 if the agent does not measure it.
        drifting: channels that drift now, of `channels`.
        classes: answers by label.
        measured: readings of measures with a column of their own, by column (`core.measures`); absent where none is.
    """

    seconds: float = 0.0
    windows: int = 0
    unsure: int = 0
    alarms: int = 0
    anomalies: int = 0
    crashes: int = 0
    latency: tuple[float, float] = (0.0, 0.0)
    memory: int = 0
    processor: float = 0.0
    drifting: Annotated[tuple[str, ...], msgspec.Meta(max_length=1000)] = ()
    channels: int = 0
    classes: dict[str, int] = msgspec.field(default_factory=dict)
    measured: dict[str, float] | msgspec.UnsetType = msgspec.UNSET


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a release on the device; kept there until it is acknowledged.

    Attributes:
        number: rising number that the device assigns once.
        result: 'tested', 'activated', 'confirmed', 'reverted', 'refused'.
        at: seconds since 1970 of the device's clock, as wrong as that is.
    """

    number: int
    plan: str
    counter: int
    result: Literal["tested", "activated", "confirmed", "reverted", "refused"] = msgspec.field(name="what")
    because: Because = ""
    detail: Text = ""
    at: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says of itself, signed by its key.

    Attributes:
        nonce: of the last durable acknowledgement; two devices with one key are found by it.
        sequence: rises with every report of this device.
        counter: release that runs; `floor` below which none is taken; `phase` where the agent is.
        plan, stage: that it follows and the highest stage it has seen; empty and -1 for none.
        metadata: versions of the signed roles that it holds.
        clock: its wall clock, seconds since 1970.
        vitals: since the last acknowledged report; None where no model runs.
        outcomes: not yet acknowledged, oldest first.
        items: of the store's outbox, by priority; each as the store sends it.
        why: one line about why it is where it is.
        boards: behind it.
        signed: seconds since 1970, when the newest rollout metadata that it has verified was signed; 0 for none.
        transport_faults: attempts in a row that did not bring the right bytes of the release that it downloads.
        transport_fault: why the last of them failed, with the mirror; empty for none.
    """

    format: int = REPORT_FORMAT
    nonce: Text
    sequence: Annotated[int, msgspec.Meta(ge=0)]
    counter: int
    floor: int
    phase: Phase
    plan: str = ""
    stage: int = -1
    metadata: dict[str, int] = msgspec.field(default_factory=dict)
    clock: float = 0.0
    vitals: Vitals | None = None
    outcomes: Annotated[tuple[Outcome, ...], msgspec.Meta(max_length=1000)] = ()
    items: Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(max_length=2000)] = ()
    why: Text = ""
    tags: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
    profile: str = ""
    version: Text = ""
    boards: Annotated[tuple[BoardSeen, ...], msgspec.Meta(max_length=MAX_BOARDS)] = ()
    signed: float = 0.0
    transport_faults: Annotated[int, msgspec.Meta(ge=0)] = 0
    transport_fault: Text = ""


class DiagnosisRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An operator asks for a diagnosis (`schema.fleet_diagnosis`) with so many log lines."""

    id: DeviceId
    lines: int = 100


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """Said only after the report is durable.

    Attributes:
        nonce: for the next report.
        outcomes: highest number that is durable.
        durable: (boot, sequence) of items of the outbox that are durable.
        wait: seconds after which the next report is welcome.
        more: seconds after which one is welcome from a device with more to bring than fits into a report.
        tags: that an operator gave the device instead of those of its enrolment; absent where none did.
        retry: (number, release): an operator lets the device try a release again that failed there; the number rises
            with every such act, so that each counts once. Absent where there was none.
        diagnose: what an operator asks this device for; absent where nothing is asked. Older agents ignore it.
    """

    nonce: str
    outcomes: int = 0
    durable: tuple[tuple[int, int], ...] = ()
    wait: float = 0.0
    more: float = 5.0
    tags: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    retry: tuple[int, int] | msgspec.UnsetType = msgspec.UNSET
    diagnose: DiagnosisRequest | msgspec.UnsetType = msgspec.UNSET


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A device is about to activate a release in a gated stage."""

    nonce: Text
    plan: Id
    counter: int
    stage: int


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, durable before it is said.

    Attributes:
        go: whether it may activate now.
        wait: seconds after which it may ask again.
        why: one line where it may not.
        until: seconds for which the leave holds, by the device's own monotonic clock.
    """

    nonce: str
    go: bool
    wait: float = 60.0
    why: str = ""
    until: float = 600.0
