"""Publishes signed changes.

A complete change is first written to the folder `incoming`. If a control plane publishes, it reads the change and
publishes it in its own transaction (`waiting`, `role_files`, `online.sign_online`, `mark_taken`); otherwise the online
keys in the folder sign immediately. After a power loss the next writer publishes the interrupted change.

Every root stays: a device that returns after a long time follows all root versions one by one and reads only the
newest version of all other metadata. A version that was replaced a week ago can matter only to an unfinished update,
which then starts again. Targets stay as long as signed metadata names them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from securesystemslib.signer import Signer
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets, Timestamp

from edgewright.core.errors import FleetChangeError, InputError, MetadataVersionError, ReleaseError, SignatureError
from edgewright.core.files import sync
from edgewright.core.records.fleet import FORMAT, Standings
from edgewright.fleet.protocol.keys import Ring
from edgewright.fleet.protocol.layout import (
    DAY,
    INDEX,
    LONGEST,
    ONLINE,
    RELEASES,
    ROLLOUTS,
    ROOT,
    SNAPSHOT,
    STICK_TIMESTAMP,
    TARGETS,
    TIMESTAMP,
    Change,
    Settled,
)
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.folder import (
    Fleet,
    locked,
    make_folder,
    read_index,
    read_published,
    write_roles,
    write_targets,
)

KEPT = LONGEST[SNAPSHOT]
"""Seconds for which a version stays after its successor was signed."""
UNNAMED = LONGEST[RELEASES] + 10 * DAY
"""Seconds for which an unreferenced package or plan stays; a prepared change that names it expires earlier."""
_LEFT = DAY
"""Seconds for which the temporary file of a killed writer stays."""
_AT_ONCE = 2000
"""Largest number of files that one call removes, since the lock blocks publishing in the meantime."""
_VERSIONED = re.compile(r"([0-9]{1,10})\.([A-Za-z0-9_-]+)\.json")


def remove_superseded(fleet: Fleet, role_files: Mapping[str, bytes], waiting: Set[str], now: float) -> int:
    """Remove superseded files, at most `_AT_ONCE`, and return their number.

    No remaining file refers to a removed one. After a power cut the next call removes the rest.

    Args:
        fleet: locked by the caller, so that nobody publishes in the meantime.
        role_files: newest published metadata by role.
        waiting: targets of waiting changes, with the hash before the name.
        now: seconds since 1970.

    Raises:
        OSError: a file cannot be removed.
    """
    if fleet.settings.stick:
        return 0  # a repository for USB sticks has longer lifetimes
    superseded = chain(
        _versions(fleet, role_files, now), _targets(fleet, named_targets(role_files).keys() | waiting, now)
    )
    gone = list(islice(superseded, _AT_ONCE))
    for folder in (fleet.metadata, fleet.targets, fleet.online, fleet.incoming):
        gone += [path for path in folder.rglob(".*.*") if path.is_file() and _age(path, now) > _LEFT]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _versions(fleet: Fleet, role_files: Mapping[str, bytes], now: float) -> Iterator[Path]:
    """Yield metadata files older than the current version whose successor was signed long enough ago."""
    versions: dict[str, dict[int, Path]] = {}
    for path in fleet.metadata.iterdir():
        role, number = versioned(path.name)
        if role != ROOT and role in role_files:
            versions.setdefault(role, {})[number] = path
    for role, paths in versions.items():
        newest, long_ago = metadata.version(role_files, role), False
        for number in sorted(paths, reverse=True):
            if number < newest and long_ago:
                yield paths[number]
            elif number <= newest:
                long_ago = _signed(role, paths[number]) < now - KEPT


def versioned(name: str) -> tuple[str, int]:
    """Return role and version in the name of a metadata file; an empty role and 0 for other files."""
    named = _VERSIONED.fullmatch(name)
    return (named[2], int(named[1])) if named else ("", 0)


def _signed(role: str, path: Path) -> float:
    """Return the signing time of a metadata file by its own expiry; infinity if it cannot be read."""
    try:
        return metadata.signed_at(path.read_bytes(), role)
    except (OSError, InputError):
        return math.inf


def _targets(fleet: Fleet, named: Set[str], now: float) -> Iterator[Path]:
    """Yield targets that no metadata names."""
    for path in fleet.targets.rglob("*"):
        name = path.relative_to(fleet.targets).as_posix()
        if name in named or path.name.startswith(".") or not path.is_file():
            continue
        index = name.startswith(f"{ROLLOUTS}/")
        if (_issued(path) < now - KEPT - DAY) if index else (_age(path, now) > UNNAMED):
            yield path


def named_targets(role_files: Mapping[str, bytes]) -> dict[str, int]:
    """Return the paths of all signed targets, with the hash before the name, and their lengths in bytes."""
    named = metadata.named_targets(role_files)
    return {metadata.prefixed(path, file.hashes["sha256"]): file.length for path, file in named.items()}


def _issued(path: Path) -> float:
    """Return when standings were first signed; infinity if unreadable. They are replaced within a day."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standings).issued
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return math.inf


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


_CLOCKS_DIFFER = 600.0


class Waiting(NamedTuple):
    """A complete change that is not published yet, and its file."""

    path: Path
    change: Change


def waiting(fleet: Fleet) -> list[Waiting]:
    """Return the complete changes that are not published yet, oldest first."""
    changes_waiting = []
    for path in sorted(path for path in fleet.incoming.glob("*.json") if path.stem.isdigit()):
        try:
            changes_waiting.append(Waiting(path, changes.read_change(path)))
        except InputError:
            if path.exists():  # otherwise the control plane has just published it
                raise
    return changes_waiting


def mark_taken(change_taken: Waiting) -> None:
    """Delete the file of a change after its content is durable elsewhere."""
    change_taken.path.unlink(missing_ok=True)
    sync(change_taken.path.parent)


def withdraw(fleet: Fleet, number: int) -> list[Waiting]:
    """Withdraw a waiting change and all later ones, which depend on it; published changes stay published.

    Args:
        fleet: locked by the caller.
        number: number of the change's file.

    Raises:
        InputError: no waiting change has this number.
    """
    queue = waiting(fleet)
    going = [item for item in queue if int(item.path.stem) >= number]
    if number not in [int(item.path.stem) for item in going]:
        known = ", ".join(str(int(item.path.stem)) for item in queue) or "none"
        raise FleetChangeError("the number of a waiting change", f"{number}; waiting: {known}", str(fleet.incoming))
    for item in reversed(going):
        mark_taken(item)
    return going


def read_held(fleet: Fleet) -> dict[str, bytes]:
    """Return the metadata by role on which the next change builds: published metadata and waiting changes."""
    expected = waiting(fleet)  # first: what the control plane publishes meanwhile is then in one of the two, or in both
    role_files = read_published(fleet)
    for change in expected:
        role_files |= changes.role_files(change.change)
    return role_files


def accept(fleet: Fleet, change: Change, now: float, ring: Ring | None = None) -> bool:
    """Publish a completely signed change.

    Args:
        fleet: locked by the caller.
        change: the change.
        now: seconds since 1970.
        ring: the online keys; None for those in the folder.

    Returns:
        True if the change is published; False if it waits for the control plane.

    Raises:
        InputError: signatures or targets are missing, or something newer was published in the meantime.
        OutputError: a file cannot be written.
    """
    role_files = read_held(fleet)
    changes.require_whole(role_files, change)
    files = changes.role_files(change)
    if all(role_files.get(role) == data for role, data in files.items()):
        raise FleetChangeError("a new change", "one that is already published or waiting", change.about)
    for role in files:
        if (
            role_files.get(role) != files[role]
            and metadata.version(files, role) != metadata.version(role_files, role) + 1
        ):
            expected, got = metadata.version(role_files, role) + 1, metadata.version(files, role)
            do = "Something was published after you prepared it; prepare it again"
            raise MetadataVersionError(f"version {expected} of {role}", str(got), change.about, do)
        check_role_file(role_files, role, {**role_files, **files})
    for name in change.targets:
        if not (fleet.targets / name).is_file():
            raise ReleaseError("the file of each target", "none", str(fleet.targets / name), "Prepare the change again")
    if not fleet.managed():
        online_signers(fleet, {**role_files, **files}, ring)  # before anything is written
    make_folder(fleet.incoming, 0o700)
    number = max((int(item.path.stem) for item in waiting(fleet)), default=0) + 1
    changes.save_change(fleet.incoming / f"{number:08d}.json", msgspec.structs.replace(change, base={}))
    if fleet.managed():
        return False
    take_in(fleet, now, ring)
    return True


@contextmanager
def writing(fleet: Fleet, now: float, ring: Ring | None = None) -> Iterator[None]:
    """Lock the fleet for one writer and first publish accepted changes that an interruption left unpublished.

    Args:
        fleet: the fleet to lock.
        now: seconds since 1970.
        ring: the online keys; None for those in the folder.

    Raises:
        InputError: another process held the lock for too long, or an online key is missing.
        OutputError: the folder cannot be written.
    """
    with locked(fleet):
        if not fleet.managed():
            take_in(fleet, now, ring)
        yield


def settle(fleet: Fleet, change: Change, ring: Ring, now: float, prepare: Path | None = None) -> Settled:
    """Sign a change with the available keys and publish it, or write it to a file for others to sign.

    Args:
        fleet: locked by the caller.
        change: the change.
        ring: the available keys.
        now: seconds since 1970.
        prepare: file to write the change to; None publishes the change.

    Raises:
        InputError: there are too few keys to publish, or the file exists.
        OutputError: a file cannot be written.
    """
    role_files = read_held(fleet)
    signed = changes.sign(role_files, change, ring)
    if prepare is not None:
        changes.write_change(prepare, signed, role_files)
        lacks = tuple(changes.lacking(role_files, signed))
        return Settled(about=signed.about, state="prepared", file=str(prepare), lacking=lacks)
    changes.require_whole(role_files, signed, ring)
    return Settled(about=signed.about, state="published" if accept(fleet, signed, now, ring) else "waiting")


def take_in(fleet: Fleet, now: float, ring: Ring | None = None) -> int:
    """Publish waiting changes with the online keys of the folder; only for a fleet without a control plane.

    Returns:
        Number of published changes.
    """
    queue = waiting(fleet)
    for item in queue:
        publish(fleet, changes.role_files(item.change), now, ring)
        mark_taken(item)
    return len(queue)


def publish(
    fleet: Fleet, files: dict[str, bytes], now: float, ring: Ring | None = None, index: bytes | None = None
) -> None:
    """Sign rollouts, snapshot and timestamp again with the online keys of the folder and write all files.

    Args:
        fleet: locked by the caller; without a control plane.
        files: new metadata of offline roles; may be empty.
        now: seconds since 1970.
        ring: the online keys; None for those in the folder.
        index: new standings; None keeps the current ones.
    """
    role_files = read_published(fleet)
    new = {role: data for role, data in files.items() if role_files.get(role) != data}
    lifetime = STICK_TIMESTAMP - metadata.SLACK if fleet.settings.stick else None
    before = read_index(fleet, role_files)
    standings = issued(index or before, _signed_time(role_files, new, before, now))
    signers = online_signers(fleet, {**role_files, **new}, ring)
    signed = sign_online(role_files, {INDEX: standings}, signers, now, new, lifetime=lifetime)
    write_targets(fleet, {INDEX: standings})
    write_roles(fleet, {**new, **signed})
    with suppress(OSError):  # publishing has succeeded; the next call removes the remaining files
        targets = {name for item in waiting(fleet) for name in item.change.targets}
        remove_superseded(fleet, {**role_files, **new, **signed}, targets, now)


def _signed_time(role_files: dict[str, bytes], new: dict[str, bytes], before: bytes | None, now: float) -> float:
    """Return the time to sign: never before the last signed time, unless new timestamp keys reset it on devices."""
    last = msgspec.json.decode(before, type=Standings).issued if before else 0.0
    if (
        now >= last
        or metadata.role_of({**role_files, **new}, TIMESTAMP).keyids != metadata.role_of(role_files, TIMESTAMP).keyids
    ):
        return now
    if last - now > _CLOCKS_DIFFER:
        do = "Set the clock; if it was wrong before, edgewright fleet key rotate timestamp resets it on devices"
        raise SignatureError("a clock that is not behind what was signed before", f"{last - now:.0f} s behind", do=do)
    return last


def issued(index: bytes | None, now: float) -> bytes:
    """Return the standings with a new signed time; new empty standings if there were none."""
    standings = msgspec.json.decode(index, type=Standings) if index else Standings(issued=now)
    return msgspec.json.encode(msgspec.structs.replace(standings, issued=now))


def online_signers(fleet: Fleet, role_files: dict[str, bytes], ring: Ring | None = None) -> dict[str, Signer]:
    """Return the signers of the online roles, from the folder or from the URIs in the settings.

    Raises:
        InputError: a key is missing.
    """
    ring = ring or fleet.ring()
    signers: dict[str, Signer] = {}
    for role in ONLINE:
        keys = metadata.keys_of(role_files, role)
        signer = next(iter(ring.signers(keys)), None)
        if signer is None:
            named = ", ".join(key.keyid[:16] for key in keys)
            do = "Restore its file, or rotate the role: edgewright fleet key rotate " + role
            raise SignatureError(
                f"the key {named} of the online role {role}", ring.why() or "none", str(fleet.online), do
            )
        signers[role] = signer
    return signers


_CUSTOM: Mapping[str, Any] = {"format": FORMAT}


def sign_online(
    published: Mapping[str, bytes], targets: Mapping[str, bytes], signers: Mapping[str, Signer], now: float,
    role_files: Mapping[str, bytes], *, above: Mapping[str, int] | None = None, lifetime: float | None = None,
) -> Mapping[str, bytes]:  # fmt: skip
    """Sign the next metadata of the three online roles.

    Args:
        published: published metadata by role; without online roles for their first version.
        targets: new content by target path, such as `rollouts/index.json`; other targets stay unchanged.
        signers: signers of 'rollouts', 'snapshot' and 'timestamp'.
        now: seconds since 1970.
        role_files: new metadata of offline roles, by role: 'root', 'targets', 'releases', hash bins.
        above: versions by role that are already used; new versions are larger. For a restore from a backup.
        lifetime: lifetime of all three in seconds, for a repository on a USB stick; None for each role's own.

    Returns:
        Metadata of rollouts, snapshot and timestamp, each with the next version. The function verifies them
        against the root and targets of `published` and `role_files`.

    Raises:
        InputError: a signer is missing or is not the one that root or targets names, a role's version would fall, or
            a role file is not correctly signed.
    """
    missing = [role for role in ONLINE if role not in signers]
    if missing:
        raise SignatureError("a key for each of rollouts, snapshot and timestamp", f"none for {', '.join(missing)}")
    now_held = {**published, **role_files}
    for role in role_files:
        check_role_file(published, role, now_held)
    number = {role: max(metadata.version(published, role), (above or {}).get(role, 0)) + 1 for role in ONLINE}
    expires = {role: metadata.expiry(role, now, lifetime) for role in ONLINE}
    files = _rollout_targets(published, targets)
    rollouts = metadata.sign(Targets(number[ROLLOUTS], None, expires[ROLLOUTS], files), [signers[ROLLOUTS]])
    named = {role: data for role, data in role_files.items() if role != ROOT} | {ROLLOUTS: rollouts}
    if SNAPSHOT not in published:
        named = {r: d for r, d in now_held.items() if r not in (ROOT, SNAPSHOT, TIMESTAMP)} | named
    meta = _snapshot_meta(published, named)
    snapshot = metadata.sign(Snapshot(number[SNAPSHOT], None, expires[SNAPSHOT], meta), [signers[SNAPSHOT]])
    described = metadata.described(snapshot, SNAPSHOT)
    timestamp = metadata.sign(Timestamp(number[TIMESTAMP], None, expires[TIMESTAMP], described), [signers[TIMESTAMP]])
    signed = {ROLLOUTS: rollouts, SNAPSHOT: snapshot, TIMESTAMP: timestamp}
    for role, data in signed.items():
        metadata.verify(now_held, role, data)
    return signed


def check_role_file(role_files: Mapping[str, bytes], role: str, now_held: Mapping[str, bytes]) -> None:
    """Check that new metadata of an offline role is a valid successor of the held metadata.

    Args:
        role_files: current metadata by role.
        role: 'root', 'targets', 'releases' or a hash bin.
        now_held: metadata by role including the new one.

    Raises:
        InputError: too few keys signed it (a root also needs those of the previous root), or its version does not rise.
    """
    if role in ONLINE:
        raise SignatureError("metadata of an offline role", role, "role files")
    data = now_held[role]
    metadata.verify(now_held, role, data)
    before, after = metadata.version(role_files, role), metadata.version(now_held, role)
    if role == ROOT and role in role_files and role_files[role] != data:
        metadata.verify(role_files, role, data)
        if after != before + 1:
            raise MetadataVersionError(
                f"version {before + 1} of root", str(after), do="Devices follow every version of the root"
            )
    if after < before or (after == before and role_files[role] != data):
        raise ReleaseError(f"a version of {role} above {before}", str(after))


def _rollout_targets(role_files: Mapping[str, bytes], targets: Mapping[str, bytes]) -> dict[str, TargetFile]:
    """Return the targets of `rollouts` with new content; targets without new content stay."""
    files = dict(metadata.read(role_files[ROLLOUTS], ROLLOUTS).signed.targets) if ROLLOUTS in role_files else {}
    for path, data in targets.items():
        if path.split("/")[0] != ROLLOUTS:
            raise ReleaseError(f"a target below {ROLLOUTS}/", path, "targets of the online role")
        files[path] = metadata.target(path, data, _CUSTOM)
    return files


def _snapshot_meta(role_files: Mapping[str, bytes], named: Mapping[str, bytes]) -> dict[str, MetaFile]:
    """Return the snapshot's entries with the new metadata; a role never leaves the snapshot."""
    meta = dict(metadata.read(role_files[SNAPSHOT], SNAPSHOT).signed.meta) if SNAPSHOT in role_files else {}
    for role, data in sorted(named.items()):
        new, before = metadata.described(data, role), meta.get(f"{role}.json")
        if before and (new.version < before.version or (new.version == before.version and new != before)):
            raise ReleaseError(f"a version of {role} above {before.version}", str(new.version), "snapshot")
        meta[f"{role}.json"] = new
    if f"{TARGETS}.json" not in meta:
        raise SignatureError("the metadata of targets", "none", "snapshot")
    return meta
