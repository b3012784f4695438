"""Signed metadata as bytes: parsing, signing, verification, lifetimes and file names."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from edgewright.fleet.protocol.layout import INDEX, LONGEST, RELEASES, ROLLOUTS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from edgewright.schema.errors import InputError

TOP = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
_TYPES: dict[str, type[Signed]] = {ROOT: Root, SNAPSHOT: Snapshot, TIMESTAMP: Timestamp}
# A device counts a lifetime from the latest signed time that it knows, which is older than the signature.
SLACK = 600.0
"""Seconds by which a lifetime is shorter than the permitted maximum."""


def read(data: bytes, role: str) -> Metadata[Any]:
    """Parse the metadata of a role without verifying its signatures.

    Raises:
        InputError: the bytes are not metadata, or are metadata of another type.
    """
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
    except (DeserializationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"signed metadata of {role}", str(error) or type(error).__name__, f"role {role}") from None
    wanted = _TYPES.get(role, Targets)
    if not isinstance(metadata.signed, wanted):
        raise InputError(f"metadata of the kind {wanted.type}", metadata.signed.type, f"role {role}")
    return metadata


def version(role_files: Mapping[str, bytes], role: str) -> int:
    """Return the version of a role's metadata; 0 if there is none."""
    return int(read(role_files[role], role).signed.version) if role in role_files else 0


def lifetime(role: str) -> float:
    """Return the lifetime of a role's metadata in seconds; hash bins have that of `releases`."""
    return LONGEST.get(role, LONGEST[RELEASES]) - SLACK


def expiry(role: str, now: float, longest: float | None = None) -> datetime.datetime:
    """Return the expiry of metadata that is signed now.

    Args:
        role: name of the role.
        now: seconds since 1970.
        longest: lifetime in seconds; None for the role's own.
    """
    seconds = lifetime(role) if longest is None else longest
    return datetime.datetime.fromtimestamp(int(now + seconds), datetime.UTC)


def sign(signed: Signed, signers: Iterable[Signer]) -> bytes:
    """Sign metadata and return the bytes to publish."""
    metadata: Metadata[Any] = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def verify(role_files: Mapping[str, bytes], role: str, data: bytes) -> None:
    """Verify that enough keys of the role, as its delegator defines them, signed these bytes.

    Args:
        role_files: metadata of the delegators: 'root', for a delegated role also 'targets', for a hash bin 'releases'.
        role: role of the metadata.
        data: the metadata.

    Raises:
        InputError: there are too few signatures, or the role does not exist.
    """
    above = delegator(role)
    if above not in role_files:
        raise InputError(f"the metadata of {above}", "none", f"role {role}")
    metadata = read(data, role)
    try:
        read(role_files[above], above).signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        where = f"{role} version {metadata.signed.version}"
        do = "List the keys of each role: edgewright fleet key list"
        raise InputError(f"{role} signed by the keys that {above} names", str(error), where, do) from None


def delegator(role: str) -> str:
    """Return the role that names a role's keys: root, targets, or `releases` for a hash bin."""
    return ROOT if role in TOP else TARGETS if role in (RELEASES, ROLLOUTS) else RELEASES


def signed_at(data: bytes, role: str) -> float:
    """Return the signing time of metadata in seconds since 1970, computed from its expiry."""
    return float(read(data, role).signed.expires.timestamp() - lifetime(role))


def named_targets(role_files: Mapping[str, bytes]) -> dict[str, TargetFile]:
    """Return all targets in the metadata by path."""
    targets: dict[str, TargetFile] = {}
    for role, data in role_files.items():
        if role not in (ROOT, SNAPSHOT, TIMESTAMP):
            targets |= read(data, role).signed.targets
    return targets


def index_hash(role_files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of the standings in `rollouts`; empty if there are none."""
    named = read(role_files[ROLLOUTS], ROLLOUTS).signed.targets.get(INDEX) if ROLLOUTS in role_files else None
    return str(named.hashes["sha256"]) if named is not None else ""


def described(data: bytes, role: str) -> MetaFile:
    """Return the entry of a snapshot or timestamp for a role's metadata: version, length and hash of its bytes."""
    return MetaFile.from_data(int(read(data, role).signed.version), data, ["sha256"])


def target(path: str, data: bytes, custom: Mapping[str, Any]) -> TargetFile:
    """Return the metadata entry of a target: length, hash and custom fields."""
    file = TargetFile.from_data(path, data, ["sha256"])
    file.unrecognized_fields["custom"] = dict(custom)
    return file


def prefixed(path: str, sha256: str) -> str:
    """Return the path that serves a target's bytes: consistent snapshots put the hash before the name."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{sha256}.{name}"


def file_names(role: str, number: int) -> tuple[str, ...]:
    """Return the file names of a role's metadata; only the timestamp and the newest root have an unversioned name."""
    if role == TIMESTAMP:
        return ("timestamp.json",)
    return (f"{number}.{role}.json", "root.json") if role == ROOT else (f"{number}.{role}.json",)


def in_order(roles: Iterable[str]) -> list[str]:
    """Sort roles in writing order: delegators before delegated roles, then snapshot, timestamp last."""
    last = {ROOT: 0, TARGETS: 1, SNAPSHOT: 3, TIMESTAMP: 4}
    return sorted(roles, key=lambda role: (last.get(role, 2), role))


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
