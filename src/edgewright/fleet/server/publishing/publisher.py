"""Files from the database's bytes: what is committed and not yet published is written, the timestamp last.

The database is first, the files follow; after a crash in between they are written when it starts again. A file that is
there with other bytes of the same version is what devices have seen: it is never written over.
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
    """Keeps the files of a fleet as the database says.

    Args:
        fleet: whose folder `public` is written.
        database: of the control plane.

    Attributes:
        written: serial of the last change whose files are all there.
    """

    def __init__(self, fleet: Fleet, database: Database) -> None:
        self._fleet, self._database = fleet, database
        self.written = -1

    def publish(self, again: bool = False) -> bool:
        """Write what is missing; whether anything was.

        Args:
            again: look at files that were published before, too: somebody may have changed or removed them.

        Raises:
            InputError: what is published is newer than the database, or differs from it.
            OutputError: a file cannot be written; the next call tries again.
        """
        if not again:
            with self._database.reading() as connection:
                if heads.serial(connection) == self.written:
                    return False
        with locked(self._fleet):  # two processes must not write by turns, or the older timestamp could come last
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
        """One role's file or files, but never over a later version or another content; whether it was missing.

        What the keys that count now did not sign is no device's word: after a rotation it is written over, however high
        the number that a thief of the old key gave it.
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
    """Return takes in what was published offline and waits in `incoming`, oldest first; how many changes.

    A change is forgotten after its transaction; one that is taken in twice after a crash changes nothing the second
    time. All come in at once where they can: a change of keys may wait behind one that needs it, as after a theft of
    several online keys, or where a clock was ahead.

    Raises:
        InputError: a change is not signed as it must be, or something newer was taken in. It stays where it is.
        OutputError: the signer or the disk failed.
    """
    found = waiting(fleet)
    try:
        _take(rollouts, found)
    except InputError:
        if len(found) < 2:
            raise
        for one in found:  # those before the one that cannot be taken in
            _take(rollouts, [one])
    if found:
        rollouts.publish()
    return len(found)


def _take(rollouts: Rollouts, found: Sequence[Waiting]) -> None:
    """Take changes in, in one step: one of them may be what makes the others possible, such as a key."""
    if not found:
        return
    files: dict[str, bytes] = {}
    roots: list[bytes] = []
    for one in found:
        files |= changes.role_files(one.change)
        root = files.pop(ROOT, None)
        roots += [root] if root is not None else []
    rollouts.take("publisher", files, tuple(roots))
    for one in found:
        taken(one)


def _counts(held: dict[str, bytes], role: str, data: bytes) -> bool:
    """Return whether bytes are signed by the keys that count now."""
    try:
        metadata.read(data, role)
    except InputError:
        return False  # no metadata at all
    try:
        metadata.verify(held, role, data)
    except InputError:
        return role == ROOT  # an older root is signed by older keys
    return True


def _index(connection: sa.Connection, held: dict[str, bytes]) -> bytes | None:
    """Return bytes of the standings that the newest metadata names; None where they came from elsewhere."""
    path = heads.index_path(held)
    if not path:
        return None
    found = connection.execute(sa.select(signed_files.c.body).where(signed_files.c.path == path)).scalar_one_or_none()
    return bytes(found) if found is not None else None
