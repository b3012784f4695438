"""Writes the signed files from the database, the timestamp last.

The database is committed first and the files follow; after a crash in between, the next start writes them. Devices may
have seen an existing file, so a file of the same version with other bytes is never overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import INDEX, ROOT, TIMESTAMP, plan_target
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import Waiting, taken, waiting
from edgewright.fleet.repository.folder import Fleet, locked
from edgewright.fleet.repository.public_files import make_folder, write_again, write_targets
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.tables import rollouts as table
from edgewright.fleet.server.database.tables import signed_files
from edgewright.fleet.server.publishing import heads
from edgewright.fleet.server.rollouts.rows import in_index
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
            held, roots = heads.held(connection), heads.roots(connection)
            index = _index(connection, held)
            rows = [dict(row._mapping) for row in connection.execute(sa.select(table))] if index is not None else []
        if TIMESTAMP not in held:
            return False
        if index is not None:
            plans = {plan_target(row["plan"]): row["body"] for row in in_index(rows)}
            write_targets(self._fleet, {**plans, INDEX: index})
        make_folder(self._fleet.metadata)
        files = [(ROOT, root) for root in roots] + [(role, held[role]) for role in metadata.in_order(held)]
        news = [self._write(role, data, held) for role, data in files]
        self.written = serial
        return any(news)

    def _write(self, role: str, data: bytes, held: dict[str, bytes]) -> bool:
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
            if there is not None and _counts(held, role, there):
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
    found = waiting(fleet)
    try:
        _take(rollouts, found)
    except InputError:
        if len(found) < 2:
            raise
        for one in found:  # apply the changes before the invalid one
            _take(rollouts, [one])
    return len(found)


def _take(rollouts: Rollouts, found: Sequence[Waiting]) -> None:
    """Apply and publish changes in one step: one of them, such as a new key, may be necessary for the others."""
    if not found:
        return
    files: dict[str, bytes] = {}
    roots: list[bytes] = []
    for one in found:
        files |= changes.role_files(one.change)
        root = files.pop(ROOT, None)
        roots += [root] if root is not None else []
    rollouts.take("publisher", files, tuple(roots))
    rollouts.publish()
    for one in found:
        taken(one)


def _counts(held: dict[str, bytes], role: str, data: bytes) -> bool:
    """Return whether the current keys signed these bytes."""
    try:
        metadata.read(data, role)
    except InputError:
        return False  # not metadata
    try:
        metadata.verify(held, role, data)
    except InputError:
        return role == ROOT  # an older root is signed by older keys
    return True


def _index(connection: sa.Connection, held: dict[str, bytes]) -> bytes | None:
    """Return the bytes of the standings in the newest metadata; None if the database does not contain them."""
    path = heads.index_path(held)
    if not path:
        return None
    found = connection.execute(sa.select(signed_files.c.body).where(signed_files.c.path == path)).scalar_one_or_none()
    return bytes(found) if found is not None else None
