"""What a store says of itself."""

from __future__ import annotations

from pathlib import Path

from edgewright.device.store import file_operations, reader, recovery, stream_state, tables, write_counter
from edgewright.device.store.database import Database
from edgewright.device.store.identity import Identity
from edgewright.device.store.outbox import REFUSED_BY_FLEET
from edgewright.device.store.retention import BALLAST_FILE
from edgewright.device.store.store import Store
from edgewright.schema.store import ASIDE, Lost, StoreState, TableState

START, REFUSED = "start", "refused"
"""Labels of health events with which an agent begins."""
PROGRAM = "program"
"""Label of health events about programs that run beside the model."""
INSTEAD = "the last verified one is in use"
"""What is said of a package that was refused."""
LEARNED, FACTORY = "learned", "factory"
"""Labels of health events: whether a package answers with what its device learned, or as it was made."""
_MOST_PACKAGES = _MOST_ENDS = 1000


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
        programs=_programs(database),
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


def _programs(database: Database) -> dict[str, str]:
    """Return the programs of the agent's last start, and how each ended last."""
    start = next(reader.events(database, kind="health", label=START, limit=1), None)
    if start is None:
        return {}
    ends = dict.fromkeys(map(str, start.event.detail.get("programs", ())), "")
    for stored in reader.events(database, kind="health", label=PROGRAM, limit=_MOST_ENDS):
        if (stored.boot, stored.sequence) < (start.boot, start.sequence):
            break
        name = str(stored.event.detail.get("program"))
        if name in ends:
            ends[name] = ends[name] or str(stored.event.detail.get("reason"))
    return dict(sorted(ends.items()))


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
