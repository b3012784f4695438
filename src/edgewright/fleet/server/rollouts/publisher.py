"""Writes the signed files from the database, the timestamp last.

The database is committed first and the files follow; after a crash in between, the next start writes them. Devices may
have seen an existing file, so a file of the same version with other bytes is never overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import INDEX, ROOT, TIMESTAMP, plan_target
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import Waiting, mark_taken, waiting
from edgewright.fleet.repository.folder import Fleet, locked
from edgewright.fleet.repository.public_files import make_folder, write_again, write_targets
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.rollout_rows import in_index
from edgewright.fleet.server.database.tables import rollouts as table
from edgewright.fleet.server.database.tables import signed_files
from edgewright.fleet.server.publishing import heads
from edgewright.fleet.server.rollouts.transitions import Rollouts
from edgewright.schema.errors import InputError

DO = (
    "A backup was restored, or two control planes publish: edgewright fleet restore adopts what is published. "
    "If an online key may be stolen, rotate all three first: edgewright fleet key rotate timestamp"
)


class Publisher:
    """Keeps the published files of a fleet in sync with the database.

    Attributes:
        written: serial of the last completely written state.
    """

    def __init__(self, fleet: Fleet, database: Database) -> None:
        self._fleet, self._database = fleet, database
        self.written = -1

    def publish(self, again: bool = False) -> bool:
        """Write the missing files; return whether there were any.

        Args:
            again: check files that were published before too, since they may have been changed or removed.

        Raises:
            InputError: a published file is newer than the database, or differs from it.
            OutputError: a file cannot be written; the next call retries.
        """
        if not again:
            with self._database.reading() as connection:
                if heads.serial(connection) == self.written:
                    return False
        with locked(self._fleet):  # one process at a time, or the older timestamp could be written last
            return self._publish()

    def _publish(self) -> bool:
        with self._database.reading() as connection:
            serial = heads.serial(connection)
            role_files, roots = heads.role_files(connection), heads.roots(connection)
            index = _index(connection, role_files)
            rows = [dict(row._mapping) for row in connection.execute(sa.select(table))] if index is not None else []
        if TIMESTAMP not in role_files:
            return False
        if index is not None:
            plans = {plan_target(row["plan"]): row["body"] for row in in_index(rows)}
            write_targets(self._fleet, {**plans, INDEX: index})
        make_folder(self._fleet.metadata)
        files = [(ROOT, root) for root in roots] + [(role, role_files[role]) for role in metadata.in_order(role_files)]
        news = [self._write(role, data, role_files) for role, data in files]
        self.written = serial
        return any(news)

    def _write(self, role: str, data: bytes, role_files: dict[str, bytes]) -> bool:
        """Write the files of a role, but never over a later version or other content; return whether one was missing.

        A file that the current keys did not sign does not count: after a key rotation it is overwritten, even if a
        thief of the old key gave it a high version.
        """
        number, news = metadata.version({role: data}, role), False
        for name in metadata.file_names(role, number):
            path = self._fleet.metadata / name
            there = path.read_bytes() if path.is_file() else None
            if there == data:
                continue
            if there is not None and _counts(role_files, role, there):
                known = metadata.version({role: there}, role)
                if name == f"{ROOT}.json" and known > number:
                    continue
                if known >= number:
                    raise InputError(f"{role} of version {number} as in the database", f"version {known}", name, DO)
            write_again(path, data)
            news = True
        return news


def take_in(fleet: Fleet, rollouts: Rollouts) -> int:
    """Publish the signed changes that wait in `incoming`, oldest first, and return their number.

    The file of a change is deleted after its content is published, so that a command which reads the folder meanwhile
    finds the change in one place or in both; after a crash in between, repeating the change has no effect.
    All changes are applied together if possible, since a change may need the keys of a later one, for example after
    the theft of several online keys or with a clock that was ahead.

    Raises:
        InputError: a change is not correctly signed or is older than the current state; its file stays.
        OutputError: the signer or the disk failed.
    """
    queue = waiting(fleet)
    try:
        _take(rollouts, queue)
    except InputError:
        if len(queue) < 2:
            raise
        for item in queue:  # apply the changes before the invalid one
            _take(rollouts, [item])
    return len(queue)


def _take(rollouts: Rollouts, queue: Sequence[Waiting]) -> None:
    """Apply and publish changes in one step: one of them, such as a new key, may be necessary for the others."""
    if not queue:
        return
    files: dict[str, bytes] = {}
    roots: list[bytes] = []
    for item in queue:
        files |= changes.role_files(item.change)
        root = files.pop(ROOT, None)
        roots += [root] if root is not None else []
    rollouts.take("publisher", files, tuple(roots))
    rollouts.publish()
    for item in queue:
        mark_taken(item)


def _counts(role_files: dict[str, bytes], role: str, data: bytes) -> bool:
    """Return whether the current keys signed these bytes."""
    try:
        metadata.read(data, role)
    except InputError:
        return False  # not metadata
    try:
        metadata.verify(role_files, role, data)
    except InputError:
        return role == ROOT  # an older root is signed by older keys
    return True


def _index(connection: sa.Connection, role_files: dict[str, bytes]) -> bytes | None:
    """Return the bytes of the standings in the newest metadata; None if the database does not contain them."""
    path = heads.index_path(role_files)
    if not path:
        return None
    body = connection.execute(sa.select(signed_files.c.body).where(signed_files.c.path == path)).scalar_one_or_none()
    return bytes(body) if body is not None else None
