"""What the online keys sign: rollouts, snapshot, timestamp. Bytes in, signed bytes out; nothing is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Snapshot, Targets, Timestamp

from edgewright.fleet.protocol.layout import ONLINE, ROLLOUTS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from edgewright.fleet.repository import metadata
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import FORMAT

_CUSTOM: Mapping[str, Any] = {"format": FORMAT}


def sign_online(
    held: Mapping[str, bytes], targets: Mapping[str, bytes], signers: Mapping[str, Signer], now: float,
    role_files: Mapping[str, bytes], *, above: Mapping[str, int] | None = None, lifetime: float | None = None,
) -> Mapping[str, bytes]:  # fmt: skip
    """Next metadata of the three online roles.

    Args:
        held: metadata that is published now, by role; nothing of an online role where this is its first.
        targets: new content by target path, such as `rollouts/index.json`; what is not named stays as it was.
        signers: of 'rollouts', 'snapshot' and 'timestamp'.
        now: seconds since 1970.
        role_files: new metadata of offline roles, by role: 'root', 'targets', 'releases', hash bins.
        above: versions by role that were already given away; the new ones are larger. After a restore from a backup.
        lifetime: seconds for which all three hold, instead of each role's own: of a repository on a stick.

    Returns:
        Metadata of rollouts, snapshot and timestamp, each of a version one above the one held. What was signed is
        checked against the root and targets of `held` and `role_files`.

    Raises:
        InputError: a signer is missing or is not the one that root or targets names, a role's version would fall, or
            a role file is not signed as it must be.
    """
    missing = [role for role in ONLINE if role not in signers]
    if missing:
        raise InputError("a key for each of rollouts, snapshot and timestamp", f"none for {', '.join(missing)}")
    now_held = {**held, **role_files}
    for role in role_files:
        check_role_file(held, role, now_held)
    floor = above or {}
    rollouts = next_rollouts(
        held.get(ROLLOUTS), targets, signers[ROLLOUTS], now, above=floor.get(ROLLOUTS, 0), lifetime=lifetime
    )
    named = {role: data for role, data in role_files.items() if role != ROOT} | {ROLLOUTS: rollouts}
    if SNAPSHOT not in held:
        named = {r: d for r, d in now_held.items() if r not in (ROOT, SNAPSHOT, TIMESTAMP)} | named
    snapshot = next_snapshot(
        held.get(SNAPSHOT), named, signers[SNAPSHOT], now, above=floor.get(SNAPSHOT, 0), lifetime=lifetime
    )
    timestamp = next_timestamp(
        held.get(TIMESTAMP), snapshot, signers[TIMESTAMP], now, above=floor.get(TIMESTAMP, 0), lifetime=lifetime
    )
    signed = {ROLLOUTS: rollouts, SNAPSHOT: snapshot, TIMESTAMP: timestamp}
    for role, data in signed.items():
        metadata.verify(now_held, role, data)
    return signed


def check_role_file(held: Mapping[str, bytes], role: str, now_held: Mapping[str, bytes]) -> None:
    """Whether new metadata of an offline role may follow what is held.

    Args:
        held: metadata before, by role.
        role: 'root', 'targets', 'releases' or a hash bin.
        now_held: metadata with the new one in it.

    Raises:
        InputError: not signed by enough keys, for a root also of the one before, or its version does not rise.
    """
    if role in ONLINE:
        raise InputError("metadata of an offline role", role, "role files")
    data = now_held[role]
    metadata.verify(now_held, role, data)
    before, after = metadata.version(held, role), metadata.version(now_held, role)
    if role == ROOT and role in held and held[role] != data:
        metadata.verify(held, role, data)
        if after != before + 1:
            raise InputError(f"version {before + 1} of root", str(after), do="Devices follow every version of the root")
    if after < before or (after == before and held[role] != data):
        raise InputError(f"a version of {role} above {before}", str(after))


def next_rollouts(
    previous: bytes | None, targets: Mapping[str, bytes], signer: Signer, now: float, *, above: int = 0,
    lifetime: float | None = None,
) -> bytes:  # fmt: skip
    """Metadata of `rollouts` after the one held, with new content of its targets.

    Args:
        previous: metadata held; None for the first.
        targets: content by path; what is not named stays.
        signer: of the role.
        now: seconds since 1970.
        above: the version is larger than this one too.
        lifetime: seconds for which it holds, instead of the role's own.
    """
    old = metadata.read(previous, ROLLOUTS).signed if previous else None
    files = dict(old.targets) if old else {}
    for path, data in targets.items():
        if path.split("/")[0] != ROLLOUTS:
            raise InputError(f"a target below {ROLLOUTS}/", path, "targets of the online role")
        files[path] = metadata.target(path, data, _CUSTOM)
    signed = Targets(max(old.version if old else 0, above) + 1, None, metadata.expiry(ROLLOUTS, now, lifetime), files)
    return metadata.sign(signed, [signer])


def next_snapshot(
    previous: bytes | None, named: Mapping[str, bytes], signer: Signer, now: float, *, above: int = 0,
    lifetime: float | None = None,
) -> bytes:  # fmt: skip
    """Snapshot after the one held; a role that was ever in it stays in it.

    Args:
        previous: metadata held; None for the first.
        named: new metadata by role, all but root, snapshot and timestamp.
        signer: of the role.
        now: seconds since 1970.
        above: the version is larger than this one too.
        lifetime: seconds for which it holds, instead of the role's own.

    Raises:
        InputError: a role's version would fall, or stay with other bytes.
    """
    old = metadata.read(previous, SNAPSHOT).signed if previous else None
    meta = dict(old.meta) if old else {}
    for role, data in sorted(named.items()):
        new, before = metadata.described(data, role), meta.get(f"{role}.json")
        if before and (new.version < before.version or (new.version == before.version and new != before)):
            raise InputError(f"a version of {role} above {before.version}", str(new.version), "snapshot")
        meta[f"{role}.json"] = new
    if f"{TARGETS}.json" not in meta:
        raise InputError("the metadata of targets", "none", "snapshot")
    signed = Snapshot(max(old.version if old else 0, above) + 1, None, metadata.expiry(SNAPSHOT, now, lifetime), meta)
    return metadata.sign(signed, [signer])


def next_timestamp(
    previous: bytes | None, snapshot: bytes, signer: Signer, now: float, *, above: int = 0,
    lifetime: float | None = None,
) -> bytes:  # fmt: skip
    """Timestamp after the one held, which names the snapshot.

    Args:
        previous: metadata held; None for the first.
        snapshot: metadata that it names.
        signer: of the role.
        now: seconds since 1970.
        above: the version is larger than this one too.
        lifetime: seconds for which it holds, instead of the role's own.
    """
    old = metadata.read(previous, TIMESTAMP).signed if previous else None
    expires = metadata.expiry(TIMESTAMP, now, lifetime)
    number = max(old.version if old else 0, above) + 1
    return metadata.sign(Timestamp(number, None, expires, metadata.described(snapshot, SNAPSHOT)), [signer])
