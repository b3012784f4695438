"""Restores a control plane from a backup: it adopts the published state before it continues.

A backup is older than the state that devices have seen. Without adoption, the control plane would publish the same
versions with other content, which devices refuse, and it would lose an abort that the backup does not contain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import mark_taken, waiting, withdraw
from edgewright.fleet.repository.folder import Fleet, locked
from edgewright.fleet.repository.offline import role_keys
from edgewright.fleet.repository.public_files import read_target, root_versions, write_targets
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.rollout_rows import first_values
from edgewright.fleet.server.database.tables import rollouts
from edgewright.fleet.server.publishing import heads
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
        role_files: metadata by role.
        roots: all roots, oldest first.
        index: bytes of the standings; None before the first.
        plans: bytes of the plans in the standings, by id.
    """

    role_files: dict[str, bytes]
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
    role_files = {ROOT: roots[-1]}
    role_files[TIMESTAMP] = _file(read, f"{METADATA_PATH}/timestamp.json")
    metadata.verify(role_files, TIMESTAMP, role_files[TIMESTAMP])
    number = metadata.read(role_files[TIMESTAMP], TIMESTAMP).signed.snapshot_meta.version
    role_files[SNAPSHOT] = _file(read, f"{METADATA_PATH}/{number}.{SNAPSHOT}.json")
    metadata.verify(role_files, SNAPSHOT, role_files[SNAPSHOT])
    snapshot = metadata.read(role_files[SNAPSHOT], SNAPSHOT).signed.meta
    for name, meta in snapshot.items():
        role = name.removesuffix(".json")
        role_files[role] = _file(read, f"{METADATA_PATH}/{meta.version}.{role}.json")
    for role, data in role_files.items():
        if role not in (ROOT, TIMESTAMP, SNAPSHOT):
            metadata.verify(role_files, role, data)
    digest = metadata.index_hash(role_files)
    index = _named(read, INDEX, digest) if digest else None
    standings = msgspec.json.decode(index, type=Standings).rollouts if index else ()
    plans = {s.plan: _named(read, plan_target(s.plan), s.sha256) for s in standings}
    return Published(role_files=role_files, roots=tuple(roots), index=index, plans=plans)


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
            state = published(from_folder(fleet.metadata.parent), first_root(fleet))
            return take_up(database, committer, state, "control", now, action="begun")
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


def check(database: Database, state: Published) -> None:
    """Check that the published state is not newer than the database.

    Raises:
        InputError: a role's published version is higher than the database's, or equal with other bytes.
    """
    with database.reading() as connection:
        role_files = heads.role_files(connection)
    for role in (ROOT, *ONLINE):
        there, here = metadata.version(state.role_files, role), metadata.version(role_files, role)
        same = there != here or role not in role_files or role_files[role] == state.role_files[role]
        if there > here or not same:
            do = "Adopt what is published first: edgewright fleet restore"
            raise InputError(
                f"a database that knows version {there} of {role}", f"one that knows {here}", "restore", do
            )


def take_up(
    database: Database, committer: Committer, state: Published, who: str, now: float, action: str = "restored"
) -> bool:
    """Adopt the published state as the current one; return whether it was new.

    Raises:
        RacedError: the database has other bytes for a published version, or changed at the same time.
    """
    with database.reading() as connection:
        role_files, seen = heads.role_files(connection), heads.serial(connection)
    if all(role_files.get(role) == data for role, data in state.role_files.items()):
        return False

    def work(connection: sa.Connection) -> None:
        heads.follow(connection, seen)
        for root in state.roots:
            heads.keep(connection, {ROOT: root}, now)
        heads.keep(connection, state.role_files, now)
        if state.index is not None:
            heads.keep_index(connection, state.index, now)
        for standing in state.standings:
            _set(connection, standing, state.plans[standing.plan], who, now)
        versions = {role: metadata.version(state.role_files, role) for role in ONLINE}
        audit_chain.append(connection, at=now, who=who, action=action, detail={"versions": versions})

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


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """The result of downloading missing files.

    Attributes:
        brought: downloaded paths below `targets`, with the hash before the name.
        missing: paths that are missing or altered at the public address too.
    """

    brought: tuple[str, ...]
    missing: tuple[str, ...]


def bring(fleet: Fleet, read: Callable[[str], bytes | None], role_files: Mapping[str, bytes]) -> Brought:
    """Download files that the metadata names but the folder lacks, one file at a time.

    Args:
        fleet: fleet whose folder is completed.
        read: returns the bytes of a path such as '/targets/NAME' at the public address; None if it does not exist.
        role_files: verified metadata by role.

    Raises:
        Unreachable: the public address does not answer.
        OutputError: a file cannot be written.
    """
    brought: list[str] = []
    missing: list[str] = []
    for path, file in metadata.named_targets(role_files).items():
        sha256 = file.hashes["sha256"]
        if _whole(fleet, path, sha256):
            continue
        name = metadata.prefixed(path, sha256)
        data = read(f"{TARGETS_PATH}/{name}")
        if data is None or metadata.sha256(data) != sha256:
            missing.append(name)
        else:
            brought += write_targets(fleet, {path: data})
    return Brought(brought=tuple(brought), missing=tuple(missing))


def keyless(fleet: Fleet, role_files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the online roles without a key: their keys were rotated after the backup and lost with the machine.

    Raises:
        InputError: a key file cannot be used.
    """
    ring, elsewhere = fleet.ring(), fleet.settings.signers
    return tuple(
        role.role
        for role in role_keys(role_files)
        if role.role in ONLINE
        and sum(ring.file(key) is not None or key in elsewhere for key in role.keys) < role.threshold
    )


def _whole(fleet: Fleet, path: str, sha256: str) -> bool:
    try:
        read_target(fleet, path, sha256)
    except InputError:
        return False
    return True


def withdraw_replaced(
    fleet: Fleet, read: Callable[[str], bytes | None], role_files: Mapping[str, bytes]
) -> tuple[str, ...]:
    """Withdraw changes that waited at the time of the backup and do not follow the published state.

    A change that was published is only deleted. A change whose version another change has used, and all changes that
    depend on it, must be prepared again.

    Args:
        fleet: fleet that is not being served.
        read: returns the bytes of a path at the public address.
        role_files: published metadata by role.

    Returns:
        Descriptions of the changes that must be prepared again.

    Raises:
        InputError: the file of a change cannot be read.
        Unreachable: the public address does not answer.
    """
    with locked(fleet):
        for item in waiting(fleet):
            files = changes.role_files(item.change)
            old = {
                role: number
                for role in files
                if (number := metadata.version(files, role)) <= metadata.version(role_files, role)
            }
            if any(read(f"{METADATA_PATH}/{number}.{role}.json") != files[role] for role, number in old.items()):
                return tuple(withdrawn.change.about for withdrawn in withdraw(fleet, int(item.path.stem)))
            if len(old) == len(files):
                mark_taken(item)
    return ()
