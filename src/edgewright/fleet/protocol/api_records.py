"""Records of the control plane's interface: operators, devices, audit trail and diagnoses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgewright.core.records.fleet import BoardSeen, DeviceId, Name, Phase, Text, Vitals

Role = Literal["viewer", "operator", "admin"]
"""A viewer reads; an operator also steers rollouts, makes tokens, and blocks, names and tags devices; an admin also
makes operators, retires devices and lifts quarantines."""
DeviceStatus = Literal["active", "blocked", "retired"]
Order = Literal["name", "-name", "counter", "-counter", "last", "-last", "enrolled", "-enrolled"]


class OperatorRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what operators send."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was refused; the same parts as on the command line.

    Attributes:
        status: of HTTP.
        expected, got, where, do, code: as `core.errors.EdgewrightError`.
        wait: seconds after which to ask again; 0 where asking again will not help.
    """

    status: int
    expected: str
    got: str = ""
    where: str = ""
    do: str = ""
    wait: float = 0.0
    code: str = ""


class NewToken(OperatorRequest, frozen=True, kw_only=True):
    """A token for devices to enrol with.

    Attributes:
        product: line of packages that its devices follow; empty for the fleet's only one.
        tags: that its devices get.
        batch: votes of a batch are capped together; empty gives the token a batch of its own.
        uses: devices that may enrol with it.
        seconds: for which it holds.
    """

    product: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")] = ""
    tags: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
    batch: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{0,64}$")] = ""
    uses: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, msgspec.Meta(gt=0.0, le=366 * 86_400.0)] = 7 * 86_400.0


class TokenMade(msgspec.Struct, frozen=True, kw_only=True):
    """The only time that it is shown.

    Attributes:
        token: `ew1.SECRET.ROOT.HASH.PRODUCT`: version and SHA-256 of the root that the device must find; once an abort
            was signed offline, also the lowest version of `releases`. See `fleet.protocol.transport`.
        expires: seconds since 1970.
    """

    token: str
    batch: str
    expires: float


class TokenSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret; `id` is the beginning of its hash."""

    id: str
    product: str
    tags: tuple[str, ...]
    batch: str
    made_at: float
    made_by: str
    expires: float
    uses: int


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """All that can still be used."""

    tokens: tuple[TokenSeen, ...]


class NewOperator(OperatorRequest, frozen=True, kw_only=True):
    """A person or a program that may use the operator API; `seconds`: for which the token holds."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    role: Role
    seconds: Annotated[float, msgspec.Meta(gt=0.0, le=3660 * 86_400.0)] = 90 * 86_400.0


class OperatorMade(msgspec.Struct, frozen=True, kw_only=True):
    """The only time that the token is shown; the server keeps its SHA-256."""

    name: str
    role: Role
    token: str
    expires: float


class OperatorSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An operator without the token; `expires`: seconds since 1970, None for a token from before tokens expired."""

    name: str
    role: Role
    made_at: float
    expires: float | None = None


class Operators(msgspec.Struct, frozen=True, kw_only=True):
    """All operators."""

    operators: tuple[OperatorSeen, ...]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """It is done, and durable."""

    done: Literal[True] = True


class Reason(OperatorRequest, frozen=True, kw_only=True):
    """Why a device is blocked, unblocked or retired, or its quarantine lifted; for the audit log and the device."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class Rename(OperatorRequest, frozen=True, kw_only=True):
    """Another name for a device; its id stays."""

    name: Name


class Retag(OperatorRequest, frozen=True, kw_only=True):
    """Tags that a device gets and loses; they decide over cohorts of rollouts that start after it learned them."""

    add: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
    remove: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()


class Retry(OperatorRequest, frozen=True, kw_only=True):
    """A release that failed on a device and that it may try again; 0 for the last one that failed there."""

    release: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """The release that a device may try again, with its next report."""

    release: int


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """A device was retired; `token`: the id of its enrolment token where that can still be used, else empty."""

    token: str = ""


class DeviceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the control plane knows it; times are seconds since 1970 by the server's clock.

    Attributes:
        tags: of its token or an operator, then those that it says itself.
        status: what operators decided: a blocked or retired device is refused.
        last: of the latest report; None before the first.
        skew: its clock minus the server's at that report, seconds.
        why: one line of its own about why it is where it is.
        vitals: latest that it said; None where no model ran yet.
        boards: microcontrollers behind it, as it said it last.
        signed: when the newest metadata that it has verified was signed; 0 for none, and from older agents.
        transport_faults, transport_fault: attempts in a row to download a release, and why the last one failed.
        behind: the release that it should have by now, its rollout and for how long; empty where it is not behind.
        unknown: it runs a release that nobody published.
    """

    id: DeviceId
    name: str
    product: str
    profile: str
    tags: tuple[str, ...]
    batch: str
    enrolled: float
    version: str
    counter: int
    floor: int
    phase: str
    plan: str
    stage: int
    why: str
    last: float | None
    skew: float
    quarantined: bool
    quarantine_reason: str = ""
    status: DeviceStatus = "active"
    vitals: Vitals | None = None
    boards: tuple[BoardSeen, ...] = ()
    signed: float = 0.0
    transport_faults: int = 0
    transport_fault: str = ""
    behind: str = ""
    unknown: bool = False


class DevicePage(msgspec.Struct, frozen=True, kw_only=True):
    """Devices in the order asked for.

    Attributes:
        total: that match.
        next: give it as `after` for those that follow; None at the end, and where `past` was given.
        cursor: or give it as `past`, which is as quick in a large fleet; None at the end.
    """

    devices: tuple[DeviceSeen, ...]
    total: int
    next: int | None = None
    cursor: str | None = None


class OutcomeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a release on a device; `clock` is the device's, `at` the server's."""

    number: int
    plan: str
    counter: int
    result: str = msgspec.field(name="what")
    because: str
    detail: str
    clock: float
    at: float


class ReportSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One report, without its items."""

    at: float
    clock: float
    sequence: int
    counter: int
    floor: int
    phase: str
    plan: str
    stage: int
    vitals: Vitals | None


class ItemSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the outbox."""

    boot: int
    sequence: int
    kind: str
    at: float
    body: Any


class DeviceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A device with what it told, newest first."""

    device: DeviceSeen
    outcomes: tuple[OutcomeSeen, ...]
    reports: tuple[ReportSeen, ...]
    items: tuple[ItemSeen, ...]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over the fleet.

    Attributes:
        counters: devices by product and the release that they run.
        phases: devices by phase.
        reporting: devices that reported within the last hour.
        history_due: seconds of history beyond the retention time, which the server deletes bit by bit.
    """

    devices: int
    reporting: int = msgspec.field(name="heard")
    quarantined: int
    counters: dict[str, dict[int, int]]
    phases: dict[str, int]
    history_due: float = 0.0


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the audit log; `hash` is the SHA-256 over `before` and the row's content."""

    number: int
    at: float
    who: str
    action: str = msgspec.field(name="what")
    subject: str
    detail: Any
    before: str
    hash: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, newest first; `next`: give it as `below` for older ones."""

    rows: tuple[AuditRow, ...]
    next: int | None = None


class AuditVerified(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the chain holds.

    Attributes:
        rows: that hold, from the first.
        last: hash of the last of them; noted elsewhere, it shows a chain that was cut off.
        problem: what is wrong with the next; empty where nothing is.
    """

    rows: int
    last: str
    problem: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server lives, or is ready."""

    ok: bool
    why: str = ""


MAX_LINES = 500
MAX_BYTES = 65_536
"""Of a bundle as JSON; the device leaves its oldest lines out until it fits."""
FORMAT = 2
"""Format 1, of earlier agents, had the text of log lines, which the server does not store."""


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive log lines with one code. Their text may quote rows and files, and stays on the device.

    Attributes:
        at: seconds since 1970 of the device's clock, of the first line.
        source: 'agent', or 'model' for the process of the model.
        code: 'phase.trial' and so on, the first word of the line if it is on a list, or 'other'; empty from earlier
            agents.
        release: that the line names; 0 for none.
        count: lines.
    """

    at: float
    source: Annotated[str, msgspec.Meta(pattern="^(agent|model)$")]
    code: Annotated[str, msgspec.Meta(pattern=r"^[a-z.]{0,32}$")] = ""
    release: int = 0
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class MachineHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The machine: sizes in bytes, times in seconds; `load` of the last 1, 5 and 15 minutes."""

    system: Text = ""
    python: Text = ""
    processors: int = 0
    uptime: float = 0.0
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    memory: int = 0
    memory_available: int = 0
    disk: int = 0
    disk_free: int = 0
    agent_memory: int = 0


class TableHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of a table of the store, and their bytes."""

    entries: int = 0
    bytes: int = 0


class LostItems(msgspec.Struct, frozen=True, kw_only=True):
    """As `schema.store.Lost`, which a small agent does not import: it needs NumPy."""

    priority: int
    reason: Text
    items: int
    bytes: int


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of `schema.store.StoreState` that may leave, by the same names; nothing of what is stored."""

    boot: int = 0
    quota: int = 0
    disk_bytes: int = 0
    ballast_bytes: int = 0
    set_aside_bytes: int = 0
    running_days: float = 0.0
    tables: dict[str, TableHealth] = {}
    waiting: dict[int, int] = {}
    aside: dict[int, int] = {}
    dropped: tuple[LostItems, ...] = ()
    withheld: int = 0
    written_today: int = 0
    written_ever: int = 0


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """A device's answer.

    Attributes:
        id: of the request.
        at: seconds since 1970 of the device's clock.
        counter, floor, phase, plan, stage, metadata, vitals, why: as in a report; `why` has codes for errors.
        active: slot of the release that runs. `burned`: releases that failed here.
        quarantined: why; empty where it is not.
        outcomes: that no report has brought yet.
        store: None where it cannot be read; `store_error` is the code of the reason.
        log_since: when the agent's process began: it keeps no older line.
        left_out: log entries left out because the bundle was too large.
    """

    format: int = FORMAT
    id: DeviceId
    at: float
    version: Text = ""
    counter: int = 0
    floor: int = 0
    phase: Phase = "idle"
    plan: Text = ""
    stage: int = -1
    metadata: dict[str, int] = {}
    vitals: Vitals | None = None
    why: Text = ""
    active: Annotated[str, msgspec.Meta(max_length=1)] = ""
    burned: tuple[int, ...] = ()
    quarantined: Text = ""
    outcomes: int = 0
    machine: MachineHealth = MachineHealth()
    store: StoreHealth | None = None
    store_error: Text = ""
    log: Annotated[tuple[LogEntry, ...], msgspec.Meta(max_length=MAX_LINES)] = ()
    log_since: float = 0.0
    left_out: int = 0


class AskDiagnosis(OperatorRequest, frozen=True, kw_only=True):
    """An operator asks a device for a diagnosis with at most `lines` log entries; the reason is for the audit log."""

    lines: Annotated[int, msgspec.Meta(ge=0, le=MAX_LINES)] = 100
    reason: Text = ""


class DiagnosisAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The request is durable; `expected`: seconds until the device is likely to report, None where it never did."""

    id: str
    expected: float | None


class DiagnosisSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its answer; `answered` and `diagnosis` are None until the device has reported."""

    id: str
    at: float
    by: str
    lines: int
    answered: float | None = None
    diagnosis: Any = None


class Diagnoses(msgspec.Struct, frozen=True, kw_only=True):
    """The latest requests to a device, newest first."""

    diagnoses: tuple[DiagnosisSeen, ...]
