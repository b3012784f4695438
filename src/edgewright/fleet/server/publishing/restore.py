"""Restores a control plane from a backup: it adopts the published state before it continues.

A backup is older than the state that devices have seen. Without adoption, the control plane would publish the same
versions with other content, which devices refuse, and it would lose an abort that the backup does not contain.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import (
    INDEX,
    METADATA_PATH,
    ONLINE,
    ROOT,
    SNAPSHOT,
    TARGETS_PATH,
    TIMESTAMP,
    plan_target,
)
from edgewright.fleet.protocol.ports import Transport, Unreachable
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet, locked
from edgewright.fleet.repository.public_files import root_versions
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import rollouts
from edgewright.fleet.server.publishing import heads
from edgewright.fleet.server.rollouts.rows import first_values
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Standing, Standings

Reading = Callable[[str], bytes | None]
"""Returns the bytes of a path such as '/metadata/timestamp.json'; None if it does not exist."""
_LARGEST = 64 << 20


def from_folder(public: Path) -> Reading:
    """Return a function that reads from a folder that a web server serves."""

    def read(path: str) -> bytes | None:
        file_path = public / path.lstrip("/")
        return file_path.read_bytes() if file_path.is_file() else None

    return read


def from_address(transport: Transport) -> Reading:
    """Return a function that reads from the public address; it raises Unreachable if there is no answer."""

    def read(path: str) -> bytes | None:
        with transport.exchange("GET", path, {}) as answer:
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise Unreachable(f"{path}: status {answer.status}")
            return answer.whole(_LARGEST)

    return read


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """The published state.

    Attributes:
        held: metadata by role.
        roots: all roots, oldest first.
        index: bytes of the standings; None before the first.
        plans: bytes of the plans in the standings, by id.
    """

    held: dict[str, bytes]
    roots: tuple[bytes, ...]
    index: bytes | None
    plans: dict[str, bytes]

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Standings of all published rollouts."""
        return msgspec.json.decode(self.index, type=Standings).rollouts if self.index else ()


def published(read: Reading, root: bytes) -> Published:
    """Read the published state and verify it from a trusted root.

    Args:
        read: returns the bytes of a path.
        root: bytes of the trusted root.

    Raises:
        InputError: a file is missing or not correctly signed.
    """
    roots = [root]
    while True:
        number = metadata.version({ROOT: roots[-1]}, ROOT) + 1
        following = read(f"{METADATA_PATH}/{number}.root.json")
        if following is None:
            break
        metadata.verify({ROOT: roots[-1]}, ROOT, following)
        metadata.verify({ROOT: following}, ROOT, following)
        roots.append(following)
    held = {ROOT: roots[-1]}
    held[TIMESTAMP] = _file(read, f"{METADATA_PATH}/timestamp.json")
    metadata.verify(held, TIMESTAMP, held[TIMESTAMP])
    number = metadata.read(held[TIMESTAMP], TIMESTAMP).signed.snapshot_meta.version
    held[SNAPSHOT] = _file(read, f"{METADATA_PATH}/{number}.{SNAPSHOT}.json")
    metadata.verify(held, SNAPSHOT, held[SNAPSHOT])
    found = metadata.read(held[SNAPSHOT], SNAPSHOT).signed.meta
    for name, meta in found.items():
        role = name.removesuffix(".json")
        held[role] = _file(read, f"{METADATA_PATH}/{meta.version}.{role}.json")
    for role, data in held.items():
        if role not in (ROOT, TIMESTAMP, SNAPSHOT):
            metadata.verify(held, role, data)
    digest = metadata.index_hash(held)
    index = _named(read, INDEX, digest) if digest else None
    standings = msgspec.json.decode(index, type=Standings).rollouts if index else ()
    plans = {s.plan: _named(read, plan_target(s.plan), s.sha256) for s in standings}
    return Published(held=held, roots=tuple(roots), index=index, plans=plans)


def begin(fleet: Fleet, database: Database, committer: Committer, now: float) -> bool:
    """Adopt the published state in a new database; return whether this server did it.

    Raises:
        InputError: a published file is missing or differs from the signed one.
    """
    with database.reading() as connection:
        if heads.roots(connection):
            return False
    try:
        with locked(fleet):  # a command that sees no control plane publishes by itself
            found = published(from_folder(fleet.metadata.parent), first_root(fleet))
            return take_up(database, committer, found, "control", now, what="begun")
    except heads.RacedError:
        # Another server started at the same time and has already adopted the state.
        with database.reading() as connection:
            if not heads.roots(connection):
                raise
        return False


def first_root(fleet: Fleet) -> bytes:
    """Return the oldest root in the fleet's folder.

    Raises:
        InputError: the folder contains no root.
    """
    versions = root_versions(fleet)
    if not versions:
        raise InputError("signed metadata", "none", str(fleet.metadata), "Make the fleet with `edgewright fleet init`")
    return (fleet.metadata / f"{versions[0]}.root.json").read_bytes()


def check(database: Database, found: Published) -> None:
    """Check that the published state is not newer than the database.

    Raises:
        InputError: a role's published version is higher than the database's, or equal with other bytes.
    """
    with database.reading() as connection:
        held = heads.held(connection)
    for role in (ROOT, *ONLINE):
        there, here = metadata.version(found.held, role), metadata.version(held, role)
        same = there != here or role not in held or held[role] == found.held[role]
        if there > here or not same:
            do = "Adopt what is published first: edgewright fleet restore"
            raise InputError(
                f"a database that knows version {there} of {role}", f"one that knows {here}", "restore", do
            )


def take_up(
    database: Database, committer: Committer, found: Published, who: str, now: float, what: str = "restored"
) -> bool:
    """Adopt the published state as the current one; return whether it was new.

    Raises:
        RacedError: the database has other bytes for a published version, or changed at the same time.
    """
    with database.reading() as connection:
        held, seen = heads.held(connection), heads.serial(connection)
    if all(held.get(role) == data for role, data in found.held.items()):
        return False

    def work(connection: sa.Connection) -> None:
        heads.follow(connection, seen)
        for root in found.roots:
            heads.keep(connection, {ROOT: root}, now)
        heads.keep(connection, found.held, now)
        if found.index is not None:
            heads.keep_index(connection, found.index, now)
        for standing in found.standings:
            _set(connection, standing, found.plans[standing.plan], who, now)
        versions = {role: metadata.version(found.held, role) for role in ONLINE}
        audit_chain.append(connection, at=now, who=who, what=what, detail={"versions": versions})

    committer.submit(work).result()
    return True


def _set(connection: sa.Connection, standing: Standing, body: bytes, who: str, now: float) -> None:
    """Store one rollout with its published standing."""
    values = {
        "state": standing.state, "stage": standing.stage, "entered": standing.entered, "revert": standing.revert,
        "why": "taken up from what is published",
    }  # fmt: skip
    same = rollouts.c.plan == standing.plan
    following = sa.update(rollouts).where(same).values(**values, version=rollouts.c.version + 1)
    if not connection.execute(following).rowcount:
        first = {**first_values(standing, body, who), **values, "started_at": standing.entered or now}
        connection.execute(sa.insert(rollouts).values(plan=standing.plan, version=1, **first))


def _file(read: Reading, path: str) -> bytes:
    data = read(path)
    if data is None:
        raise InputError("a published file", "none", path)
    return data


def _named(read: Reading, path: str, sha256: str) -> bytes:
    data = _file(read, f"{TARGETS_PATH}/{metadata.prefixed(path, sha256)}")
    if metadata.sha256(data) != sha256:
        raise InputError(f"SHA-256 {sha256[:12]}...", "other bytes", path)
    return data
