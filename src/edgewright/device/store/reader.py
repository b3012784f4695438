"""Reading a store: by its writer, or from beside while another process writes it, on a read-only disk too."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgewright.core.read_only_database import read_unchanged, unchanged
from edgewright.device.store import entries, file_operations, stream_state, tables
from edgewright.device.store.crypto import Key
from edgewright.device.store.database import Database
from edgewright.schema.device import Event
from edgewright.schema.errors import EdgewrightError, InputError, OutputError
from edgewright.schema.store import Stored, Stretch

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
        raise InputError("a folder with a store", "none", str(folder), "Name the folder that `run --store` was given")
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
        found = entries.unpack(block, count, key, entries.place(device, boot, sequence, name))
        if found is not None:
            times, values, closed = found
            yield Stretch(boot=boot, sequence=sequence, written=written, stream=name, times=times, values=values,
                          sealed=closed)  # fmt: skip


def held(folder: Path) -> dict[str, int]:
    """Return bytes on the disk: of database, log and what the agent has learnt, and of files that were set aside."""
    own = stream_state.held(folder) + sum(
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
        found = database.execute(sql, (*arguments, min(_BATCH if table == "events" else 8, limit - given)))
        if not found:
            return
        for row in found:
            last = row[0]
            given += 1
            yield row
