"""What a store says of itself, and deleting by will: deleted rows are overwritten in the file."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from edgewright.core.errors import UnknownNameError
from edgewright.device.store import file_operations, reader, recovery, stream_state, tables, write_counter
from edgewright.device.store.database import Database
from edgewright.device.store.group_commit import REFUSED_BY_FLEET
from edgewright.device.store.identity import Identity
from edgewright.device.store.records import ASIDE, Limits, Lost, StoreConfig, StoreState, TableState
from edgewright.device.store.retention import BALLAST_FILE
from edgewright.device.store.store import Store

START, REFUSED = "start", "refused"
"""Labels of health events with which an agent begins."""
INSTEAD = "the last verified one is in use"
"""What is said of a package that was refused."""
LEARNED, FACTORY = "learned", "factory"
"""Labels of health events: whether a package answers with what its device learned, or as it was made."""
_MOST_PACKAGES = 1000


def of(store: Store) -> StoreState:
    """Return the state of an open store; what waits for a commit is not in it."""
    with store.guard:
        written = store.committer.wear.written
        today = store.committer.wear.today(store.age())
        return _state(store.folder, store.database, store.identity, store.config.quota, store.age() / 86400, today,
                      written.ever, store.gate.withheld, write_counter.of_process())  # fmt: skip


def read_state(folder: Path) -> StoreState:
    """Return the state of a store that this process does not write.

    Raises:
        InputError, OutputError: as `reader.look`.
    """

    def state(database: Database) -> StoreState:
        identity = Identity.open(folder, writable=False)
        try:
            known = write_counter.load(database)
            return _state(folder, database, identity, known.quota, known.age / 86400,
                          known.written.today, known.written.ever, known.withheld, None)  # fmt: skip
        finally:
            identity.close()

    return reader.read(folder, state)


def _state(
    folder: Path, database: Database, identity: Identity, quota: int, days: float, today: int, ever: int,
    withheld: int, process: int | None,
) -> StoreState:  # fmt: skip
    kept = {name: _table(database, name) for name in ("events", "rows")}
    waiting = database.execute("SELECT priority, count(*), total(size) FROM outbox GROUP BY priority")
    kept["outbox"] = TableState(entries=sum(n for _, n, _ in waiting), bytes=int(sum(size for *_, size in waiting)))
    lost = database.execute("SELECT priority, reason, items, bytes FROM dropped ORDER BY priority, reason")
    on_disk = reader.disk_usage(folder)
    return StoreState(
        device=identity.device,
        boot=identity.boot,
        version=tables.VERSION,
        folder=str(folder),
        quota=quota,
        disk_bytes=on_disk["own"],
        ballast_bytes=file_operations.size(folder / BALLAST_FILE),
        set_aside_bytes=on_disk["aside"],
        running_days=days,
        tables=kept,
        waiting={priority: count for priority, count, _ in waiting if priority < ASIDE},
        aside={priority - ASIDE: count for priority, count, _ in waiting if priority >= ASIDE},
        aside_why=_aside_why(database),
        dropped=tuple(Lost(priority=p, reason=reason, items=n, bytes=size) for p, reason, n, size in lost),
        withheld=withheld,
        written_today=today,
        written_ever=ever,
        process_written=process,
        damage=recovery.history(folder),
        refused=_refused(database),
        learned=_learned(database),
        source=stream_state.source_place(database),
    )


def _refused(database: Database) -> dict[str, str]:
    """Return packages that the last start of the agent refused, and why."""
    start = next(reader.events(database, kind="health", label=START, limit=1), None)
    if start is None:
        return {}
    reasons: dict[str, str] = {}
    for stored in reader.events(database, kind="health", label=REFUSED, limit=_MOST_PACKAGES):
        if stored.boot != start.boot:
            break
        reasons[str(stored.event.detail.get("package"))] = str(stored.event.detail.get("notice"))
    return dict(reversed(reasons.items()))


def _learned(database: Database) -> dict[str, float | None]:
    """Return packages that answer with what the device learned, and since when."""
    since: dict[str, float | None] = {}
    over: set[str] = set()
    stored_events = [
        stored
        for label in (LEARNED, FACTORY)
        for stored in reader.events(database, kind="health", label=label, limit=_MOST_PACKAGES)
    ]
    for stored in sorted(
        stored_events, key=lambda stored_event: (stored_event.boot, stored_event.sequence), reverse=True
    ):
        name = str(stored.event.detail.get("package"))
        if stored.event.label == FACTORY:
            over.add(name)
        elif name not in over:
            since[name] = stored.event.wall
    return since


def _aside_why(database: Database) -> str:
    """Return what the fleet said of the last item that it refused."""
    last = next(reader.events(database, kind="health", label=REFUSED_BY_FLEET, limit=1), None)
    return "" if last is None else str(last.event.detail.get("reason", ""))


def _table(database: Database, name: str) -> TableState:
    entries, size = database.execute(f"SELECT count(*), total(size) FROM {name}")[0]  # noqa: S608
    ends = [
        database.value(f"SELECT written FROM {name} ORDER BY id {order} LIMIT 1")  # noqa: S608
        for order in ("ASC", "DESC")
    ]
    return TableState(entries=entries, bytes=int(size), oldest=ends[0], newest=ends[1])


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
