"""Signed metadata as bytes: reading, signing with a threshold, lifetimes, names of files."""

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
"""Seconds by which metadata holds for less than it may."""


def read(data: bytes, role: str) -> Metadata[Any]:
    """Metadata of a role; signatures are not verified here.

    Raises:
        InputError: it is not metadata, or another role's kind.
    """
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
    except (DeserializationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"signed metadata of {role}", str(error) or type(error).__name__, f"role {role}") from None
    wanted = _TYPES.get(role, Targets)
    if not isinstance(metadata.signed, wanted):
        raise InputError(f"metadata of the kind {wanted.type}", metadata.signed.type, f"role {role}")
    return metadata


def version(held: Mapping[str, bytes], role: str) -> int:
    """Version of a role's metadata; 0 where there is none."""
    return int(read(held[role], role).signed.version) if role in held else 0


def lifetime(role: str) -> float:
    """Return seconds for which a role is signed; hash bins live as long as `releases`."""
    return LONGEST.get(role, LONGEST[RELEASES]) - SLACK


def expiry(role: str, now: float, longest: float | None = None) -> datetime.datetime:
    """When metadata of a role that is signed now expires.

    Args:
        role: its name.
        now: seconds since 1970.
        longest: seconds from now, instead of the role's own.
    """
    seconds = lifetime(role) if longest is None else longest
    return datetime.datetime.fromtimestamp(int(now + seconds), datetime.UTC)


def sign(signed: Signed, signers: Iterable[Signer]) -> bytes:
    """Signed metadata as the bytes that are published."""
    metadata: Metadata[Any] = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def verify(held: Mapping[str, bytes], role: str, data: bytes) -> None:
    """Whether the keys that the role's delegator names signed these bytes, as many as it asks for.

    Args:
        held: metadata of the delegators: 'root', for a delegated role also 'targets', for a hash bin 'releases'.
        role: whose bytes these are.
        data: the metadata.

    Raises:
        InputError: too few signatures, or no such role.
    """
    above = delegator(role)
    if above not in held:
        raise InputError(f"the metadata of {above}", "none", f"role {role}")
    metadata = read(data, role)
    try:
        read(held[above], above).signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        where = f"{role} version {metadata.signed.version}"
        do = "See which keys it asks for: edgewright fleet key list"
        raise InputError(f"{role} signed by the keys that {above} names", str(error), where, do) from None


def delegator(role: str) -> str:
    """Who names a role's keys: root, targets, or for a hash bin `releases`."""
    return ROOT if role in TOP else TARGETS if role in (RELEASES, ROLLOUTS) else RELEASES


def signed_at(data: bytes, role: str) -> float:
    """Return when metadata was signed, in seconds since 1970, by its expiry."""
    return float(read(data, role).signed.expires.timestamp() - lifetime(role))


def named_targets(held: Mapping[str, bytes]) -> dict[str, TargetFile]:
    """Return every target that the metadata names, by path."""
    found: dict[str, TargetFile] = {}
    for role, data in held.items():
        if role not in (ROOT, SNAPSHOT, TIMESTAMP):
            found |= read(data, role).signed.targets
    return found


def index_hash(held: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of the standings that `rollouts` names; empty where there are none."""
    named = read(held[ROLLOUTS], ROLLOUTS).signed.targets.get(INDEX) if ROLLOUTS in held else None
    return str(named.hashes["sha256"]) if named is not None else ""


def described(data: bytes, role: str) -> MetaFile:
    """Return what a snapshot or timestamp says about a role's metadata: version, length and hash of its bytes."""
    return MetaFile.from_data(int(read(data, role).signed.version), data, ["sha256"])


def target(path: str, data: bytes, custom: Mapping[str, Any]) -> TargetFile:
    """Return what the metadata says about a target: length, hash, and what is ours."""
    file = TargetFile.from_data(path, data, ["sha256"])
    file.unrecognized_fields["custom"] = dict(custom)
    return file


def prefixed(path: str, sha256: str) -> str:
    """Path under which a target's bytes are served: consistent snapshots put the hash before the name."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{sha256}.{name}"


def file_names(role: str, number: int) -> tuple[str, ...]:
    """File names of a role's metadata; only the timestamp and the newest root have one without a version."""
    if role == TIMESTAMP:
        return ("timestamp.json",)
    return (f"{number}.{role}.json", "root.json") if role == ROOT else (f"{number}.{role}.json",)


def in_order(roles: Iterable[str]) -> list[str]:
    """Roles in the order in which their files are written: who names comes before who is named, timestamp last."""
    last = {ROOT: 0, TARGETS: 1, SNAPSHOT: 3, TIMESTAMP: 4}
    return sorted(roles, key=lambda role: (last.get(role, 2), role))


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
