"""What the store of a device is told and what it tells: settings, items that leave, its state."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from edgewright.core.records.device import PRIORITY, Event

RAW_PRIORITY = 9
"""Rows leave after everything else."""
LOWEST_PRIORITY = 15
ASIDE = 100
"""Added to the priority of an item that its receiver will never take: it stays in the store and is not sent."""
# Words and numbers of an event's `detail` that may leave; an item's other keys stay and are counted as withheld.
DETAIL = (
    "after", "alarms", "amount", "before", "bytes", "channel", "channels", "command", "confidence", "count", "counts",
    "detector", "doubted", "dropped", "duplicates", "from", "gap", "gaps", "high", "items", "late", "latency", "limit",
    "lost", "low", "margin", "mean", "model", "package", "previous", "probabilities", "rate", "reason", "score",
    "seconds", "sha256", "since", "sketch", "state", "streams", "table", "threshold", "to", "unit", "unsure", "until",
    "version", "windows",
)  # fmt: skip


Position = tuple[int, int]
"""(boot, sequence): with the device's name an item's own name for ever."""


class OutboxItem(NamedTuple):
    """An item on its way: its place, its priority, and its bytes as they leave (JSON of `Item`)."""

    position: Position
    priority: int
    body: bytes


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long and how much of one table is kept; the older goes first.

    Attributes:
        days: maximum age in days of running time, so that a jump of the clock neither keeps nor deletes data.
        bytes: maximum size of the content in bytes, without the database's own pages.
    """

    days: float = 30.0
    bytes: int = 16 << 20


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the store: the table `[store]` of device.toml.

    Attributes:
        quota: maximum bytes of the database, its log, the learned state and the ballast together; files that were set
            aside as damaged are not counted.
        ballast: bytes of a reserve file that is deleted when the disk is full, so that deleting rows works.
        events, rows, outbox: limits of each table.
        group_seconds: longest time that an item waits to be made durable together with others.
        group_items: number of waiting items that are made durable immediately.
        at_once: kinds of events that do not wait.
        send: kinds of events that are put into the outbox.
        send_columns: raw columns, by name, that may leave; none by default.
        send_detail: keys of an event's detail that may leave.
        encrypt: raw columns, by name, that are encrypted; '*' for all.
        key_file: file of 32 bytes, or of 64 hexadecimal digits.
    """

    quota: int = 96 << 20
    ballast: int = 2 << 20
    events: Limits = Limits(days=180.0, bytes=16 << 20)
    rows: Limits = Limits(days=14.0, bytes=48 << 20)
    outbox: Limits = Limits(days=90.0, bytes=16 << 20)
    group_seconds: float = 5.0
    group_items: int = 512
    at_once: tuple[str, ...] = ("alarm",)
    send: tuple[str, ...] = tuple(PRIORITY)
    send_columns: tuple[str, ...] = ()
    send_detail: tuple[str, ...] = DETAIL
    encrypt: tuple[str, ...] = ()
    key_file: str = ""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """Something that leaves the device. (device, boot, sequence) is unique for ever: whoever takes it twice knows it.

    Attributes:
        format: version of this form.
        kind: 'event', 'rows', 'dropped', or what the caller named it.
        put: the device's wall clock when it was put, seconds since 1970, as wrong as that clock was.
    """

    format: int = 1
    device: str
    boot: int
    sequence: int
    kind: str
    put: float
    body: dict[str, Any]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its place and the wall clock when it was stored."""

    boot: int
    sequence: int
    written: float
    event: Event


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were stored together.

    Attributes:
        values: by column, shape (rows,) float32; columns that need a key which is not there are absent.
        sealed: names of those columns.
    """

    boot: int
    sequence: int
    written: float
    stream: str
    times: Any
    values: dict[str, Any]
    sealed: tuple[str, ...] = ()


class TableState(msgspec.Struct, frozen=True, kw_only=True):
    """Of one table: entries, bytes of content, and the wall clock of its oldest and newest entry."""

    entries: int
    bytes: int
    oldest: float | None = None
    newest: float | None = None


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was found damaged: when (running boot and wall clock), what, where it lies, what was saved."""

    boot: int
    wall: float
    subject: str = msgspec.field(name="what")
    file: str
    rescued: dict[str, int]


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Items that left the outbox without being sent, by priority and reason."""

    priority: int
    reason: Literal["quota", "expired", "disk", "purged"]
    items: int
    bytes: int


class SourcePlace(msgspec.Struct, frozen=True, kw_only=True):
    """How far an agent has read its source.

    Attributes:
        version: of this record.
        source: its kind and what identifies it.
        position: of the source, as its `Stream.position` gives it; None where it has none.
        reached: the position in a few words.
        loses: what gets lost while the agent is away; empty where nothing does.
        wall: seconds since 1970 when the rows before it were taken.
        at: boot, and number of the last item of the store before it.
        ended: whether that run of the agent ended in order.
        starts: how often the agent has begun at this place without coming further.
    """

    version: int
    source: str
    position: Any = None
    reached: str = ""
    loses: str = ""
    wall: float = 0.0
    at: Position = (0, 0)
    ended: bool = False
    starts: int = 0


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """What `edgewright device status` prints.

    Attributes:
        disk_bytes: of database, log and what the agent has learnt; `ballast_bytes` and `set_aside_bytes` lie beside
            them.
        waiting: items in the outbox by priority.
        aside: items that the fleet refused, by priority; they are kept and not sent. `aside_why` of the last.
        written_today: bytes written by this store in the last day that it ran; `written_ever` since it was made.
        refused: packages that the last start of the agent refused, by name, and why; older ones are in their place.
        learned: packages that answer with what the device learned, by name, and since when.
        process_written: bytes that this whole process sent to storage, as the kernel counts; None where it does not.
        source: how far the agent has read its source; None where it has read none.
    """

    device: str
    boot: int
    version: int
    folder: str
    quota: int
    disk_bytes: int
    ballast_bytes: int
    set_aside_bytes: int
    running_days: float
    tables: dict[str, TableState]
    waiting: dict[int, int]
    dropped: tuple[Lost, ...]
    withheld: int
    written_today: int
    written_ever: int
    process_written: int | None
    damage: tuple[Damage, ...]
    refused: dict[str, str] = {}
    learned: dict[str, float | None] = {}
    aside: dict[int, int] = {}
    aside_why: str = ""
    source: SourcePlace | None = None
