"""What devices and the control plane tell each other: enrolment, intents, reports, acknowledgements."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgewright.schema.boards import MAX_BOARDS, BoardSeen
from edgewright.schema.fleet_plan import Id

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
