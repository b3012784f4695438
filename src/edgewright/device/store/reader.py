"""Reading a store, also while another process writes it or from a read-only disk, and its entries as lines of files."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from edgewright.core.errors import EdgewrightError, OutputError, StoreDamagedError, UnknownNameError
from edgewright.core.read_only_database import read_unchanged, unchanged
from edgewright.core.records.device import Event
from edgewright.device.store import entries, file_operations, stream_state, tables
from edgewright.device.store.database import Database
from edgewright.device.store.entries import AllowList, Key
from edgewright.device.store.records import Stored, Stretch

T = TypeVar("T")
_BATCH = 256


@contextmanager
def look(folder: Path) -> Iterator[Database]:
    """Provide the database of a store, for reading alone: no boot is counted, nothing is written.

    Raises:
        InputError: there is no store, or one of a newer version.
        ChangedError: an agent that started or stopped changed it meanwhile; `read` reads again.
        OutputError: it cannot be read, or is damaged; the next `edgewright device run` repairs it.
    """
    file_path = folder / tables.STORE_FILE
    if not file_path.is_file():
        raise StoreDamagedError(
            "a folder with a store", "none", str(folder), "Name the folder that `run --store` was given"
        )
    try:
        with unchanged(file_path):
            database = Database(file_path, writable=False)
            try:
                tables.check_version(database)
                yield database
            finally:
                database.close()
    except EdgewrightError:
        raise
    except sqlite3.DatabaseError as error:
        raise OutputError("a store that can be read", str(error), str(file_path),
                          "Start `edgewright device run` to check and repair it") from error  # fmt: skip


def read(folder: Path, work: Callable[[Database], T]) -> T:
    """Return what work reads of a store; it runs again if an agent that starts or stops changed the store meanwhile.

    Raises:
        InputError, OutputError: as `look`.
    """

    def attempt() -> T:
        with look(folder) as database:
            return work(database)

    return read_unchanged(folder / tables.STORE_FILE, attempt)


def events(
    database: Database, kind: str = "", label: str = "", stream: str | None = None, since: float | None = None,
    until: float | None = None, limit: int = 100, newest: bool = True,
) -> Iterator[Stored]:  # fmt: skip
    """Yield events that match all that is given.

    Args:
        database: of a store.
        kind: exact kind; '' for any.
        label: exact label; '' for any.
        stream: exact stream; None for any.
        since: earliest wall clock of the event, or of its storing where the event has none; seconds since 1970.
        until: latest wall clock, likewise.
        limit: at most so many.
        newest: the newest first; else the oldest first.
    """
    wanted: list[tuple[str, Any]] = [
        ("kind = ?", kind or None), ("label = ?", label or None), ("stream = ?", stream),
        ("coalesce(wall, written) >= ?", since), ("coalesce(wall, written) < ?", until),
    ]  # fmt: skip
    for row in _walk(database, "events", wanted, limit, newest):
        _, boot, sequence, _, written, _, kind_, stream_, time, wall, doubt, label_, score, detail = row
        record: dict[str, Any] = {}
        with suppress(msgspec.DecodeError):
            record = msgspec.json.decode(detail or b"{}", type=dict[str, Any])
        event = Event(kind=kind_, stream=stream_, time=time, wall=wall, doubt=doubt, label=label_,
                      score=score if score is not None else float("nan"), detail=record)  # fmt: skip
        yield Stored(boot=boot, sequence=sequence, written=written, event=event)


def rows(
    database: Database, device: str, stream: str | None = None, since: float | None = None,
    until: float | None = None, limit: int = 100, key: Key | None = None, newest: bool = False,
) -> Iterator[Stretch]:  # fmt: skip
    """Stretches of raw rows, the oldest first; `since` and `until` are of their storing. Damaged ones are left out."""
    wanted: list[tuple[str, Any]] = [("stream = ?", stream), ("written >= ?", since), ("written < ?", until)]
    for row in _walk(database, "rows", wanted, limit, newest):
        _, boot, sequence, _, written, _, name, names, _, _, count, plain, sealed, key_name = row
        block = entries.Block(names, plain, sealed, key_name)
        unpacked = entries.unpack(block, count, key, entries.sealed_name(device, boot, sequence, name))
        if unpacked is not None:
            times, values, closed = unpacked
            yield Stretch(boot=boot, sequence=sequence, written=written, stream=name, times=times, values=values,
                          sealed=closed)  # fmt: skip


def disk_usage(folder: Path) -> dict[str, int]:
    """Return bytes on the disk: of database, log and what the agent has learnt, and of files that were set aside."""
    own = stream_state.disk_usage(folder) + sum(
        file_operations.size(folder / f"{tables.STORE_FILE}{side}") for side in ("", "-wal", "-shm", "-journal")
    )
    return {"own": own, "aside": sum(file_operations.size(path) for path in folder.glob("store.damaged-*"))}


def _walk(
    database: Database, table: str, wanted: list[tuple[str, Any]], limit: int, newest: bool
) -> Iterator[tuple[Any, ...]]:
    """Yield rows in batches by their place, so that memory is bounded and no reader holds up the writer."""
    requested = [(sql, value) for sql, value in wanted if value is not None]
    compare, order = ("<", "DESC") if newest else (">", "ASC")
    last: int | None = None
    given = 0
    while given < limit:
        terms = [sql for sql, _ in requested] + ([f"id {compare} ?"] if last is not None else [])
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        arguments = [value for _, value in requested] + ([last] if last is not None else [])
        sql = f"SELECT * FROM {table} {where} ORDER BY id {order} LIMIT ?"  # noqa: S608 - our own words
        batch = database.execute(sql, (*arguments, min(_BATCH if table == "events" else 8, limit - given)))
        if not batch:
            return
        for row in batch:
            last = row[0]
            given += 1
            yield row


Form = Literal["csv", "jsonl"]
EVENT_COLUMNS = ("boot", "sequence", "written", "kind", "stream", "time", "wall", "doubt", "label", "score")


def event_lines(
    device: str, events: Iterable[Stored], form: Form, detail: Sequence[str], columns: Sequence[str] = EVENT_COLUMNS
) -> Iterator[bytes]:
    """Yield lines of a file of events.

    Args:
        device: name of the device, in every line.
        events: events.
        form: CSV with a header, or one JSON object a line.
        detail: keys of the events' detail that may leave; in CSV each is a column.
        columns: of `EVENT_COLUMNS`, in this order.

    Raises:
        InputError: a column that events do not have.
    """
    for name in columns:
        if name not in EVENT_COLUMNS:
            raise StoreDamagedError(f"one of {', '.join(EVENT_COLUMNS)}", repr(name), "--column")
    gate = AllowList(detail, ())
    if form == "csv":
        yield _csv(["device", *columns, *detail])
    for stored in events:
        whole = {
            "boot": stored.boot,
            "sequence": stored.sequence,
            "written": stored.written,
            **gate.event(stored.event),
        }
        record: dict[str, Any] = {"device": device, **{name: whole[name] for name in columns}}
        allowed = whole.get("detail", {})
        if form == "csv":
            yield _csv([*record.values(), *(_cell(allowed.get(name)) for name in detail)])
        else:
            yield msgspec.json.encode({**record, **({"detail": allowed} if allowed else {})}) + b"\n"


def rows_kept(database: Database) -> bool:
    """Return whether any raw row lies in the store."""
    return database.value("SELECT 1 FROM rows LIMIT 1") is not None


def row_lines(device: str, stretches: Iterable[Stretch], form: Form, columns: Sequence[str]) -> Iterator[bytes]:
    """Yield lines of a file of raw rows: `columns` by name and nothing else; empty where a stretch does not have one.

    Raises:
        InputError: no column is named, or a named one is encrypted and its key was not given.
        UnknownNameError: rows were found, and none of them has a column that is named; told at the end.
    """
    if not columns:
        raise StoreDamagedError("the raw columns that may leave, by name", "none", "--column",
                         "Raw data stays on the device unless you name a column")  # fmt: skip
    if form == "csv":
        yield _csv(["device", "boot", "sequence", "stream", "time", *columns])
    known: set[str] = set()
    for stretch in stretches:
        known.update(stretch.values, stretch.sealed)
        closed = [name for name in columns if name in stretch.sealed]
        if closed:
            raise StoreDamagedError(f"the key of column {closed[0]!r}", "none that opens it", "--key")
        if not any(name in stretch.values for name in columns):
            continue
        for index, time in enumerate(stretch.times.tolist()):
            cells = [_value(stretch.values[n][index]) if n in stretch.values else None for n in columns]
            head: list[Any] = [device, stretch.boot, stretch.sequence, stretch.stream, time]
            if form == "csv":
                yield _csv([*head, *cells])
            else:
                names = ("device", "boot", "sequence", "stream", "time", *columns)
                yield msgspec.json.encode(dict(zip(names, [*head, *cells], strict=True))) + b"\n"
    for name in columns if known else ():
        if name not in known:
            raise UnknownNameError("column", name, known, "--column")


def _value(value: Any) -> float | None:  # noqa: ANN401 - a number of NumPy's
    # The shortest decimal that is this float32 again.
    return float(str(value)) if value == value else None


def _cell(value: Any) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


def _csv(cells: Sequence[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(["" if cell is None else cell for cell in cells])
    return line.getvalue().encode()
