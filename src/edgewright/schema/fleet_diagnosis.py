"""What an operator may ask one device for: codes of its log, and its health. Only these fields leave the device."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edgewright.schema.fleet_api import OperatorRequest
from edgewright.schema.fleet_report import DeviceId, Phase, Text, Vitals

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
