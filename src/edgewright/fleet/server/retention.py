"""Deletes old reports and items in small batches, and signed files that are no longer needed."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY, ROOT, TIMESTAMP
from edgewright.fleet.repository.acceptance import waiting
from edgewright.fleet.repository.folder import Fleet, locked, open_fleet
from edgewright.fleet.repository.superseded import KEPT, remove_superseded
from edgewright.fleet.server import log
from edgewright.fleet.server.background import repeat
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import diagnoses, items, reports, signed, signed_files, tokens
from edgewright.fleet.server.publishing import heads
from edgewright.schema.errors import EdgewrightError

_VERSIONS_AT_ONCE = 500
"""Largest number of versions of a role, and of indexes, that one transaction deletes, to keep transactions short."""


def prune(fleet: Fleet, database: Database, committer: Committer, now: float) -> int:
    """Delete metadata that was superseded more than a week ago; return the number of rows and files.

    Every root and the newest version of every other role stay. Rows and files are deleted separately: after a power
    cut in between, the next call deletes the rest.

    Args:
        fleet: fleet whose files are deleted.
        database: database of its control plane.
        committer: committer of its control plane.
        now: seconds since 1970.

    Raises:
        BusyError: too many operations wait.
        OutputError: the disk failed.
        InputError: another process held the folder's lock for too long.
        OSError: a file cannot be removed.
    """
    rows = committer.submit(lambda connection: _rows(connection, now)).result()
    with locked(fleet):
        with database.reading() as connection:
            held = heads.held(connection)
        # Delete files only if the database's state is published; otherwise the older files are still needed.
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
    # Versions before the newest one that is old enough were superseded long enough ago.
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
"""Seconds of history that one call deletes: a clock that is a year ahead for an hour costs only a day of history."""
_AT_ONCE = 2000


def forget(plane: Plane, now: float, stride: float = STRIDE) -> int:
    """Delete rows beyond the retention times, oldest first, and return their number.

    Args:
        plane: control plane with the limits and the database.
        now: seconds since 1970.
        stride: largest number of seconds of history to delete.

    Raises:
        BusyError: too many operations wait; the next call deletes the rest.
        OutputError: the disk failed.
    """
    limits, gone = plane.limits, 0
    for table in (reports, items, diagnoses):
        with plane.database.reading() as connection:
            oldest = connection.execute(sa.select(sa.func.min(table.c.at))).scalar_one()
        if oldest is None:
            continue
        before = min(now - limits.keep, oldest + stride)
        while True:
            count = plane.committer.submit(_of(table, before)).result()
            gone += count
            if count < _AT_ONCE:
                break
    # Keep a used or expired token as long as reports: the same device may repeat its enrolment request.
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
    """Delete old data every ten minutes in a separate thread; return a function that stops it."""

    def work() -> None:
        now = plane.clock.wall()
        try:
            gone = forget(plane, now) + prune(open_fleet(plane.folder), plane.database, plane.committer, now)
        except EdgewrightError as error:
            log.line("warning", "forgetting", why=str(error))
            return
        if gone:
            log.line("info", "forgotten", rows=gone)

    return repeat("forgetting", EVERY, work)
