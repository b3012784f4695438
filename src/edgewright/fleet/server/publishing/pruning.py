"""What grows with every signature is removed again, from the database and from the folder; rollouts stay, as rows."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY, ROOT, TIMESTAMP
from edgewright.fleet.repository.acceptance import waiting
from edgewright.fleet.repository.folder import Fleet, locked
from edgewright.fleet.repository.superseded import KEPT, remove_superseded
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.rollout_tables import signed, signed_files
from edgewright.fleet.server.publishing import heads

_AT_ONCE = 500
"""Versions of a role, and indexes, that one transaction removes: no commit is held up by what years have left."""


def prune(fleet: Fleet, database: Database, committer: Committer, now: float) -> int:
    """Removes what was followed by something newer a week ago; how many rows and files.

    Every root stays, and the newest of every other role. Rows and files go apart: after a power cut in between the next
    call removes the rest.

    Args:
        fleet: whose folder.
        database, committer: of its control plane.
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
        old = sa.and_(signed.c.role == role, signed.c.version < min(last, first + _AT_ONCE))
        gone += int(connection.execute(sa.delete(signed).where(old)).rowcount)
    files = sa.select(signed_files.c.path).where(
        signed_files.c.at < now - KEPT - DAY, signed_files.c.path != heads.index_path(heads.held(connection))
    )  # fmt: skip
    paths = list(connection.execute(files.limit(_AT_ONCE)).scalars())
    return gone + int(connection.execute(sa.delete(signed_files).where(signed_files.c.path.in_(paths))).rowcount)
