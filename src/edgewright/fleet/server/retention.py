"""How long things are kept: old reports and items go, a few at a time, and signed files that nobody needs any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY, ROOT, TIMESTAMP
from edgewright.fleet.repository.acceptance import waiting
from edgewright.fleet.repository.folder import Fleet, locked, open_fleet
from edgewright.fleet.repository.superseded import KEPT, remove_superseded
from edgewright.fleet.server import log
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import items, reports, signed, signed_files, tokens
from edgewright.fleet.server.publishing import heads
from edgewright.schema.errors import EdgewrightError

_VERSIONS_AT_ONCE = 500
"""Versions of a role, and indexes, that one transaction removes: no commit is held up by what years have left."""


def prune(fleet: Fleet, database: Database, committer: Committer, now: float) -> int:
    """Remove what was followed by something newer a week ago; how many rows and files.

    Every root stays, and the newest of every other role. Rows and files go apart: after a power cut in between the next
    call removes the rest.

    Args:
        fleet: whose folder.
        database: of its control plane.
        committer: of its control plane.
        now: seconds since 1970.

    Raises:
        BusyError: too much waits to be written.
        OutputError: the disk failed.
        InputError: another process kept the folder for too long.
        OSError: a file cannot be removed.
    """
    rows = committer.submit(lambda connection: _rows(connection, now)).result()
    with locked(fleet):
        with database.reading() as connection:
            held = heads.held(connection)
        # Files follow the database: what is not published yet still needs what is there.
        path = fleet.metadata / "timestamp.json"
        if TIMESTAMP not in held or not path.is_file() or path.read_bytes() != held[TIMESTAMP]:
            return rows
        targets = {name for one in waiting(fleet) for name in one.change.targets}
        return rows + remove_superseded(fleet, held, targets, now)


def _rows(connection: sa.Connection, now: float) -> int:
    newest = (
        sa.select(
            signed.c.role, sa.func.min(signed.c.version).label("first"), sa.func.max(signed.c.version).label("last")
        )
        .where(signed.c.role != ROOT, signed.c.at < now - KEPT)
        .group_by(signed.c.role)
    )
    gone = 0
    # What came before the newest of those that are old enough was followed long enough ago.
    for role, first, last in connection.execute(newest).all():
        old = sa.and_(signed.c.role == role, signed.c.version < min(last, first + _VERSIONS_AT_ONCE))
        gone += int(connection.execute(sa.delete(signed).where(old)).rowcount)
    files = sa.select(signed_files.c.path).where(
        signed_files.c.at < now - KEPT - DAY, signed_files.c.path != heads.index_path(heads.held(connection))
    )  # fmt: skip
    paths = list(connection.execute(files.limit(_VERSIONS_AT_ONCE)).scalars())
    return gone + int(connection.execute(sa.delete(signed_files).where(signed_files.c.path.in_(paths))).rowcount)


EVERY = 600.0
STRIDE = 24 * EVERY
"""Seconds of history that go at once: a server whose clock is a year ahead for an hour loses a day of it, not all."""
_AT_ONCE = 2000


def forget(plane: Plane, now: float, stride: float = STRIDE) -> int:
    """Delete what is older than the limits of a plane say, the oldest first; how many rows.

    Args:
        plane: whose limits and database.
        now: seconds since 1970.
        stride: seconds of history that go at most.

    Raises:
        BusyError: too much waits to be written; the rest goes next time.
        OutputError: the disk failed.
    """
    limits, gone = plane.limits, 0
    for table, before in ((reports, now - limits.keep), (items, now - limits.keep_items)):
        with plane.database.reading() as connection:
            oldest = connection.execute(sa.select(sa.func.min(table.c.at))).scalar_one()
        if oldest is None:
            continue
        before = min(before, oldest + stride)
        while True:
            count = plane.committer.submit(_of(table, before)).result()
            gone += count
            if count < _AT_ONCE:
                break
    # A token that is used or over stays for as long as reports do: the same device may ask again what it was told.
    first = sa.select(sa.func.min(tokens.c.expires)).scalar_subquery()
    over = sa.delete(tokens).where(tokens.c.expires < now - limits.keep, tokens.c.expires < first + stride)
    return gone + int(plane.committer.submit(lambda c: c.execute(over).rowcount).result())


def _of(table: sa.Table, before: float) -> Callable[[sa.Connection], int]:
    keys = list(table.primary_key)
    old = sa.select(*keys).where(table.c.at < before).limit(_AT_ONCE)

    def work(connection: sa.Connection) -> int:
        found = [tuple(row) for row in connection.execute(old)]
        if found:
            matched = sa.and_(*(key == sa.bindparam(f"old_{key.name}") for key in keys))
            rows = [{f"old_{key.name}": value for key, value in zip(keys, row, strict=True)} for row in found]
            connection.execute(sa.delete(table).where(matched), rows)
        return len(found)

    return work


def start(plane: Plane) -> Callable[[], None]:
    """Forget every ten minutes, in a thread of its own, until it is stopped."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(EVERY):
            try:
                now = plane.clock.wall()
                gone = forget(plane, now) + prune(open_fleet(plane.folder), plane.database, plane.committer, now)
            except EdgewrightError as error:
                log.line("warning", "forgetting", why=str(error))
                continue
            except Exception as error:  # noqa: BLE001 - the database, the disk: told, and tried again
                log.broken(error, "forgetting")
                continue
            if gone:
                log.line("info", "forgotten", rows=gone)

    thread = threading.Thread(target=run, name="fleet-keeping", daemon=True)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join(5.0)

    return stop
