"""Deleting by will: what is deleted is overwritten in the file, so that it cannot be read there afterwards."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from edgewright.device.store import file_operations, reader, stream_state, tables, write_counter
from edgewright.device.store.database import Database
from edgewright.device.store.retention import BALLAST_FILE
from edgewright.device.store.store import Store
from edgewright.schema.errors import UnknownNameError
from edgewright.schema.store import ASIDE, Limits, StoreConfig

TABLES = ("events", "rows", "outbox")
LEARNT = "learnt"
"""What the agent has learnt of its streams, beside the tables."""
_DAY = 86400.0
_IN_MEMORY = 8 << 20


def patient(folder: Path) -> StoreConfig:
    """Return settings with which a store may be opened by somebody who does not know its own: nothing goes by itself.

    Raises:
        InputError, OutputError: as `reader.look`; a folder that is no store is not made one.
    """
    quota = reader.read(folder, lambda database: write_counter.load(database).quota) or StoreConfig().quota
    all_of_it = Limits(days=1e9, bytes=1 << 60)
    ballast = file_operations.size(folder / BALLAST_FILE)
    return StoreConfig(quota=quota, ballast=ballast, events=all_of_it, rows=all_of_it, outbox=all_of_it)


def purge(store: Store, names: Collection[str], days: float = 0.0) -> dict[str, int]:
    """Delete entries that are older than `days` of running time; 0: all of them.

    Pages are overwritten with zeros (`secure_delete`), what is left is written again where there is room for that, and
    the log is emptied. What the storage itself keeps of old blocks is beyond a program's reach: encrypt columns
    (`StoreConfig.encrypt`) that must never be found there.

    Args:
        store: open.
        names: of tables: events, rows, outbox, or 'learnt' for what the agent has learnt of its streams and of labels,
            which goes with all rows and with all events too, as it is made of them. The place in the source goes with
            'learnt' alone. Items purged from the outbox are counted as dropped.
        days: of running time.

    Returns:
        Entries deleted by table; of 'learnt', states of streams, the place in the source, and files.

    Raises:
        UnknownNameError: no such table.
        OutputError: what was waiting could not be written, or what was learnt cannot be deleted.
    """
    for name in names:
        if name not in (*TABLES, LEARNT):
            raise UnknownNameError("table", name, (*TABLES, LEARNT))
    chosen = [name for name in TABLES if name in names]
    forgotten = LEARNT in names or (not days and ("rows" in names or "events" in names))
    with store.guard:
        store.commit()
        database, gone = store.database, {}
        database.execute("PRAGMA secure_delete=ON")
        try:
            with database.transaction():
                remembered = stream_state.purge(database, everything=LEARNT in names) if forgotten else 0
                for name in chosen:
                    gone[name] = _delete(store, database, name, store.age() - days * _DAY if days else float("inf"))
            # Copies of cells stay in the gaps of pages that were split; only writing all again takes them away.
            left = sum(int(database.value(f"SELECT total(size) FROM {name}")) for name in TABLES)  # noqa: S608
            database.execute(f"PRAGMA temp_store={'MEMORY' if left < _IN_MEMORY else 'FILE'}")
            with suppress(Exception):
                database.execute("VACUUM")
            compact(store)
        finally:
            database.execute("PRAGMA secure_delete=OFF")
            database.execute("PRAGMA temp_store=MEMORY")
        store.room.count()
        store.room.dropped_now = False
        files = [*stream_state.remove(store.folder), *stream_state.forget(store.folder)] if forgotten else []
        if files or remembered or LEARNT in names:
            gone[LEARNT] = len(files) + remembered
        return gone


def compact(store: Store) -> int:
    """Give free pages back to the disk and empty the log; return by how many bytes the files shrank.

    It costs the flash a copy of the pages that move: the store does not do it by itself, it uses free pages again.
    """
    with store.guard:
        before = sum(file_operations.size(store.folder / f"{tables.STORE_FILE}{side}") for side in ("", "-wal"))
        store.committer.wear.checkpoint(store.age(), always=True)
        store.database.execute("PRAGMA incremental_vacuum")
        store.committer.wear.committed(store.age())
        store.committer.wear.checkpoint(store.age(), always=True)
        return before - sum(file_operations.size(store.folder / f"{tables.STORE_FILE}{side}") for side in ("", "-wal"))


def remove_set_aside(folder: Path) -> list[str]:
    """Delete files that were set aside as damaged, on somebody's wish; their names."""
    damaged = sorted(folder.glob("store.damaged-*"))
    for path in damaged:
        file_operations.remove(path)
    file_operations.sync_folder(folder)
    return [path.name for path in damaged]


def _delete(store: Store, database: Database, name: str, older: float) -> int:
    if name == "outbox":
        lost = database.execute(
            "SELECT priority, count(*), total(size) FROM outbox WHERE age < ? GROUP BY priority", (older,)
        )
        for priority, items, size in lost:
            store.room.lost(priority % ASIDE, "purged", items, int(size))
    database.execute(f"DELETE FROM {name} WHERE age < ?", (older,))  # noqa: S608 - a name of TABLES
    return int(database.value("SELECT changes()"))
