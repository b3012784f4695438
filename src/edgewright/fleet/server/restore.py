"""Restores a control plane from a backup: it adopts the published state before it continues.

A backup is older than the state that devices have seen. Without adoption, the control plane would publish the same
versions with other content, which devices refuse, and it would lose an abort that the backup does not contain.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError, FleetDatabaseError, InputError
from edgewright.core.records.fleet import Standing, Standings
from edgewright.fleet.protocol.layout import (
    INDEX,
    METADATA_PATH,
    ONLINE,
    ROOT,
    SNAPSHOT,
    TARGETS_PATH,
    TIMESTAMP,
    Transport,
    Unreachable,
    plan_target,
)
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import mark_taken, named_targets, versioned, waiting, withdraw
from edgewright.fleet.repository.folder import Fleet, locked, read_target, root_versions, write_targets
from edgewright.fleet.repository.metadata import role_keys
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import first_values, heads, rollouts, signed, signed_files

ONLINE_HEAD = "online"


class RacedError(EdgewrightError):
    """A concurrent step changed the state first; this step did nothing."""

    def __init__(self, subject: str) -> None:
        super().__init__("to follow what was read", "another step in between", subject, "Look again")


def serial(connection: sa.Connection) -> int:
    """Return the number of the current state of the signed files, for `follow`."""
    return int(connection.execute(sa.select(heads.c.serial).where(heads.c.name == ONLINE_HEAD)).scalar_one())


def follow(connection: sa.Connection, seen: int) -> None:
    """Advance the state by compare-and-set, if it is still the one that was read.

    Raises:
        RacedError: the state has changed.
    """
    where = sa.and_(heads.c.name == ONLINE_HEAD, heads.c.serial == seen)
    if connection.execute(sa.update(heads).where(where).values(serial=seen + 1)).rowcount != 1:
        raise RacedError("the signed files")


def role_files(connection: sa.Connection) -> dict[str, bytes]:
    """Return the newest metadata by role."""
    newest = sa.select(signed.c.role, sa.func.max(signed.c.version).label("version")).group_by(signed.c.role).subquery()
    rows = connection.execute(
        sa.select(signed.c.role, signed.c.body).join(
            newest, sa.and_(signed.c.role == newest.c.role, signed.c.version == newest.c.version)
        )
    )
    return {row.role: row.body for row in rows}


def roots(connection: sa.Connection) -> list[bytes]:
    """Return all published roots, oldest first."""
    query = sa.select(signed.c.body).where(signed.c.role == ROOT).order_by(signed.c.version)
    return list(connection.execute(query).scalars())


def keep(connection: sa.Connection, roles: Mapping[str, bytes], at: float) -> None:
    """Add metadata; existing versions are never changed.

    Raises:
        RacedError: a version exists with other bytes.
    """
    for role, body in roles.items():
        version = metadata.version({role: body}, role)
        there = connection.execute(
            sa.select(signed.c.body).where(signed.c.role == role, signed.c.version == version)
        ).scalar_one_or_none()
        if there is None:
            connection.execute(sa.insert(signed).values(role=role, version=version, body=body, at=at))
        elif there != body:
            raise RacedError(f"version {version} of {role}, which is there with other bytes")


def index_path(role_files: Mapping[str, bytes]) -> str:
    """Return the path of the standings in the newest metadata, below the folder of targets; empty for none."""
    digest = metadata.index_hash(role_files)
    return metadata.prefixed(INDEX, digest) if digest else ""


def keep_index(connection: sa.Connection, index: bytes, at: float) -> str:
    """Add the file of standings and return its path below the folder of targets."""
    path = metadata.prefixed(INDEX, metadata.sha256(index))
    there = connection.execute(sa.select(signed_files.c.path).where(signed_files.c.path == path)).one_or_none()
    if there is None:
        connection.execute(sa.insert(signed_files).values(path=path, body=index, at=at))
    return path


NAME = "files"
"""Key of the last result in the `extra` of a control plane."""
KINDS = ("missing", "altered", "foreign")
AT_ONCE = 64 << 20
"""Largest number of bytes that one scan hashes; changed files come first."""
EVERY = 60.0
"""Seconds between two scans."""
MOST_LOGGED = 20
_Key = tuple[int, int, int]


class Wrong(msgspec.Struct, frozen=True, order=True):
    """A file that differs from the signed state.

    Attributes:
        kind: 'missing', 'altered' (bytes differ from the signed ones) or 'foreign' (not in any signed metadata).
        path: path below the served folder.
    """

    kind: str
    path: str


class IntegrityScan:
    """Compares a served folder with the signed metadata and remembers the hashed files.

    Args:
        fleet: fleet whose folder is scanned.
        at_once: largest number of bytes that one scan hashes.
    """

    def __init__(self, fleet: Fleet, at_once: int = AT_ONCE) -> None:
        self._fleet, self._at_once = fleet, at_once
        self._good: dict[str, _Key] = {}
        self._bad: dict[str, _Key] = {}

    def wrong(self, role_files: Mapping[str, bytes]) -> tuple[Wrong, ...]:
        """Return the wrong files, sorted by kind and name."""
        named = named_targets(role_files)
        problems = [*self._named(named), *self._others(named), *_metadata(self._fleet, role_files)]
        return tuple(sorted(problems))

    def _named(self, named: Mapping[str, int]) -> Iterator[Wrong]:
        """Yield targets that are missing or have other bytes."""
        left = self._at_once
        unseen: list[tuple[bool, str, _Key]] = []
        for name, length in named.items():
            key = _key(self._fleet.targets / name)
            if key is None:
                yield Wrong("missing", f"targets/{name}")
            elif key[1] != length:
                yield Wrong("altered", f"targets/{name}")
            elif self._good.get(name) != key:
                unseen.append((name not in self._good, name, key))
        for _, name, key in sorted(unseen):
            if self._bad.get(name) != key:
                if left < 0:
                    break
                left -= key[1]
                good = _hash(self._fleet.targets / name) == name.rpartition("/")[2].partition(".")[0]
                (self._good if good else self._bad)[name] = key
            if self._bad.get(name) == key:
                yield Wrong("altered", f"targets/{name}")

    def _others(self, named: Mapping[str, int]) -> Iterator[Wrong]:
        """Yield targets whose name does not start with the hash of their bytes, which no prepared change creates."""
        for path in _files(self._fleet.targets):
            name = path.relative_to(self._fleet.targets).as_posix()
            if name in named or self._good.get(name) == (key := _key(path)) or key is None:
                continue
            text = path.name.partition(".")[0]
            if len(text) == 64 and self._bad.get(name) != key:
                if key[1] > self._at_once:
                    continue  # too large to hash
                if _hash(path) == text:
                    self._good[name] = key
                    continue
            self._bad[name] = key
            yield Wrong("foreign", f"targets/{name}")


def _metadata(fleet: Fleet, role_files: Mapping[str, bytes]) -> Iterator[Wrong]:
    """Yield metadata files of unknown roles or of versions that were never published."""
    newest = {role: metadata.version(role_files, role) for role in role_files}
    for path in _files(fleet.metadata):
        role, number = versioned(path.name)
        if path.name in ("timestamp.json", f"{ROOT}.json") or (role in newest and number <= newest[role]):
            continue
        yield Wrong("foreign", f"metadata/{path.name}")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if not path.name.startswith(".") and not path.is_dir())


def _key(path: Path) -> _Key | None:
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


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
        if roots(connection):
            return False
    try:
        with locked(fleet):  # a command that sees no control plane publishes by itself
            state = published(from_folder(fleet.metadata.parent), first_root(fleet))
            return take_up(database, committer, state, "control", now, action="begun")
    except RacedError:
        # Another server started at the same time and has already adopted the state.
        with database.reading() as connection:
            if not roots(connection):
                raise
        return False


def first_root(fleet: Fleet) -> bytes:
    """Return the oldest root in the fleet's folder.

    Raises:
        InputError: the folder contains no root.
    """
    versions = root_versions(fleet)
    if not versions:
        raise FleetDatabaseError(
            "signed metadata", "none", str(fleet.metadata), "Make the fleet with `edgewright fleet init`"
        )
    return (fleet.metadata / f"{versions[0]}.root.json").read_bytes()


def check(database: Database, state: Published) -> None:
    """Check that the published state is not newer than the database.

    Raises:
        InputError: a role's published version is higher than the database's, or equal with other bytes.
    """
    with database.reading() as connection:
        known = role_files(connection)
    for role in (ROOT, *ONLINE):
        there, here = metadata.version(state.role_files, role), metadata.version(known, role)
        same = there != here or role not in known or known[role] == state.role_files[role]
        if there > here or not same:
            do = "Adopt what is published first: edgewright fleet restore"
            raise FleetDatabaseError(
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
        known, seen = role_files(connection), serial(connection)
    if all(known.get(role) == data for role, data in state.role_files.items()):
        return False

    def work(connection: sa.Connection) -> None:
        follow(connection, seen)
        for root in state.roots:
            keep(connection, {ROOT: root}, now)
        keep(connection, state.role_files, now)
        if state.index is not None:
            keep_index(connection, state.index, now)
        for standing in state.standings:
            _set(connection, standing, state.plans[standing.plan], who, now)
        versions = {role: metadata.version(state.role_files, role) for role in ONLINE}
        tables.append_audit_row(connection, at=now, who=who, action=action, detail={"versions": versions})

    committer.submit(work).result()
    return True


def _set(connection: sa.Connection, standing: Standing, body: bytes, who: str, now: float) -> None:
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
        raise FleetDatabaseError("a published file", "none", path)
    return data


def _named(read: Reading, path: str, sha256: str) -> bytes:
    data = _file(read, f"{TARGETS_PATH}/{metadata.prefixed(path, sha256)}")
    if metadata.sha256(data) != sha256:
        raise FleetDatabaseError(f"SHA-256 {sha256[:12]}...", "other bytes", path)
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
