"""Signs rollouts, snapshot and timestamp with the online keys, in memory, without reading or writing files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets, Timestamp

from edgewright.fleet.protocol.layout import ONLINE, ROLLOUTS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from edgewright.fleet.repository import metadata
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import FORMAT

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
        raise InputError("a key for each of rollouts, snapshot and timestamp", f"none for {', '.join(missing)}")
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
        raise InputError("metadata of an offline role", role, "role files")
    data = now_held[role]
    metadata.verify(now_held, role, data)
    before, after = metadata.version(role_files, role), metadata.version(now_held, role)
    if role == ROOT and role in role_files and role_files[role] != data:
        metadata.verify(role_files, role, data)
        if after != before + 1:
            raise InputError(f"version {before + 1} of root", str(after), do="Devices follow every version of the root")
    if after < before or (after == before and role_files[role] != data):
        raise InputError(f"a version of {role} above {before}", str(after))


def _rollout_targets(role_files: Mapping[str, bytes], targets: Mapping[str, bytes]) -> dict[str, TargetFile]:
    """Return the targets of `rollouts` with new content; targets without new content stay."""
    files = dict(metadata.read(role_files[ROLLOUTS], ROLLOUTS).signed.targets) if ROLLOUTS in role_files else {}
    for path, data in targets.items():
        if path.split("/")[0] != ROLLOUTS:
            raise InputError(f"a target below {ROLLOUTS}/", path, "targets of the online role")
        files[path] = metadata.target(path, data, _CUSTOM)
    return files


def _snapshot_meta(role_files: Mapping[str, bytes], named: Mapping[str, bytes]) -> dict[str, MetaFile]:
    """Return the snapshot's entries with the new metadata; a role never leaves the snapshot."""
    meta = dict(metadata.read(role_files[SNAPSHOT], SNAPSHOT).signed.meta) if SNAPSHOT in role_files else {}
    for role, data in sorted(named.items()):
        new, before = metadata.described(data, role), meta.get(f"{role}.json")
        if before and (new.version < before.version or (new.version == before.version and new != before)):
            raise InputError(f"a version of {role} above {before.version}", str(new.version), "snapshot")
        meta[f"{role}.json"] = new
    if f"{TARGETS}.json" not in meta:
        raise InputError("the metadata of targets", "none", "snapshot")
    return meta
