"""Deletes old reports and items in small batches, and signed files that are no longer needed."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError
from edgewright.fleet.protocol.layout import DAY, ROOT, TIMESTAMP
from edgewright.fleet.repository.acceptance import KEPT, remove_superseded, waiting
from edgewright.fleet.repository.folder import Fleet, locked, open_fleet
from edgewright.fleet.server import background, restore
from edgewright.fleet.server.background import repeat
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import BusyError, Committer
from edgewright.fleet.server.database.tables import (
    diagnoses,
    items,
    reports,
    retention_clock,
    signed,
    signed_files,
    tokens,
)

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
            role_files = restore.role_files(connection)
        # Delete files only if the database's state is published; otherwise the older files are still needed.
        path = fleet.metadata / "timestamp.json"
        if TIMESTAMP not in role_files or not path.is_file() or path.read_bytes() != role_files[TIMESTAMP]:
            return rows
        targets = {name for item in waiting(fleet) for name in item.change.targets}
        return rows + remove_superseded(fleet, role_files, targets, now)


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
        signed_files.c.at < now - KEPT - DAY, signed_files.c.path != restore.index_path(restore.role_files(connection))
    )  # fmt: skip
    paths = list(connection.execute(files.limit(_VERSIONS_AT_ONCE)).scalars())
    return gone + int(connection.execute(sa.delete(signed_files).where(signed_files.c.path.in_(paths))).rowcount)


EVERY = 600.0
"""Seconds between two looks where little is due, and between two calls of `prune`."""
_PACE = 24.0
"""Largest speed of the retention's clock: a wall clock that is a year ahead for an hour costs only a day of history."""
_AT_ONCE = 400
"""Rows of one transaction: a report waits for one at most, some tens of milliseconds."""
_SHARE = 0.25
"""Share of the time that deleting takes while much is due; the rest is the reports'."""
_SAID_EVERY = 60.0
_HISTORY = (reports, items, diagnoses)


def backlog(connection: sa.Connection, keep: float, now: float) -> float:
    """Return the seconds of history beyond the retention time; 0 where all of it is deleted."""
    oldest = (connection.execute(sa.select(sa.func.min(table.c.at))).scalar_one() for table in _HISTORY)
    return max(0.0, now - keep - min((at for at in oldest if at is not None), default=now))


class Retention:
    """Deletes what is older than the retention time in small steps, oldest first; the database says how far it is.

    It goes by a clock of its own, kept in the database, which follows the server's no faster than `_PACE`. So a wrong
    clock deletes little, in one process or in many starts, while a smaller retention time applies at once.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane, self._ran = plane, plane.clock.monotonic()

    def step(self, now: float) -> int:
        """Delete the next rows of each table in a transaction of its own; return their number, 0 where none is due.

        Args:
            now: seconds since 1970 by the server's clock.

        Raises:
            BusyError: too many operations wait; the next call deletes the rows.
            OutputError: the disk failed.
        """
        submit = self._plane.committer.submit
        monotonic = self._plane.clock.monotonic()
        before = submit(_clock(now, monotonic - self._ran)).result() - self._plane.limits.keep
        self._ran = monotonic
        gone = sum(submit(_of(table, before)).result() for table in _HISTORY)
        # Keep a used or expired token as long as reports: the same device may repeat its enrolment request.
        over = sa.delete(tokens).where(tokens.c.expires < before)
        return gone + int(submit(lambda connection: connection.execute(over).rowcount).result())


def _clock(now: float, elapsed: float) -> Callable[[sa.Connection], float]:
    """Advance the retention's clock by what has passed in this process, and return it."""

    def work(connection: sa.Connection) -> float:
        query = sa.select(retention_clock.c.at).where(retention_clock.c.name == _NAME).with_for_update()
        role_files = connection.execute(query).scalar_one_or_none()
        if (
            role_files is None
        ):  # the newest report was written under a clock that was right then, as far as anybody knows
            newest = connection.execute(sa.select(sa.func.max(reports.c.at))).scalar_one()
            role_files = now if newest is None else newest
            connection.execute(sa.insert(retention_clock).values(name=_NAME, at=role_files))
        at = min(now, role_files + _PACE * max(0.0, elapsed))
        if at != role_files:
            connection.execute(sa.update(retention_clock).where(retention_clock.c.name == _NAME).values(at=at))
        return float(at)

    return work


_NAME = "history"


def _of(table: sa.Table, before: float) -> Callable[[sa.Connection], int]:
    keys = list(table.primary_key)
    old = sa.select(*keys).where(table.c.at < before).order_by(table.c.at).limit(_AT_ONCE)

    def work(connection: sa.Connection) -> int:
        rows = [tuple(row) for row in connection.execute(old)]
        if rows:
            matched = sa.and_(*(key == sa.bindparam(f"old_{key.name}") for key in keys))
            keys_gone = [{f"old_{key.name}": value for key, value in zip(keys, row, strict=True)} for row in rows]
            connection.execute(sa.delete(table).where(matched), keys_gone)
        return len(rows)

    return work


class _Work:
    """The steps of a server, with a line in its log each minute while much is due."""

    def __init__(self, plane: Plane) -> None:
        self._plane, self._retention = plane, Retention(plane)
        self._gone, self._reported, self._prune = 0, plane.clock.monotonic(), 0.0

    def run(self) -> float:
        """Delete a little and return the seconds until the next step."""
        plane, began = self._plane, time.monotonic()
        try:
            rows = self._retention.step(plane.clock.wall())
        except EdgewrightError as error:
            background.line("warning", "forgetting", why=str(error))
            return EVERY if not isinstance(error, BusyError) else 1.0
        more = rows >= _AT_ONCE  # fewer are no full transaction of any table
        self._gone += rows + (self._pruned() if began >= self._prune else 0)
        self._say(more)
        return (time.monotonic() - began) * (1.0 / _SHARE - 1.0) if more else EVERY

    def _pruned(self) -> int:
        """Prune and return the number of rows and files; where that fails, the history is deleted nevertheless."""
        plane = self._plane
        self._prune = time.monotonic() + EVERY
        try:
            return prune(open_fleet(plane.folder), plane.database, plane.committer, plane.clock.wall())
        except (EdgewrightError, OSError) as error:
            background.line("warning", "pruning", why=str(error))
            return 0

    def _say(self, more: bool) -> None:
        now = self._plane.clock.monotonic()
        if self._gone and (not more or now - self._reported >= _SAID_EVERY):
            with self._plane.database.reading() as connection:
                left = backlog(connection, self._plane.limits.keep, self._plane.clock.wall()) if more else 0.0
            background.line("info", "forgotten", rows=self._gone, days_left=round(left / DAY, 2))
            self._gone, self._reported = 0, now


def start(plane: Plane) -> Callable[[], None]:
    """Delete old data in a separate thread, steadily until all is done; return a function that stops it."""
    return repeat("forgetting", EVERY, _Work(plane).run, at_once=True)
