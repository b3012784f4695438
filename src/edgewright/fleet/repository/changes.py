"""Changes to signed metadata: their signatures, the missing ones, and the file that the signers exchange."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from tuf.api.metadata import Root, Targets, VerificationResult

from edgewright.core.errors import (
    ExistingFileError,
    FileTooLargeError,
    FleetChangeError,
    MetadataVersionError,
    ReleaseError,
    SignatureError,
)
from edgewright.core.files import PRIVATE, write_atomic
from edgewright.core.formatting import printable
from edgewright.fleet.protocol.keys import Ring
from edgewright.fleet.protocol.layout import CHANGE_VERSION, ONLINE, ROOT, TARGETS, Change
from edgewright.fleet.repository import metadata

_SHORT = 16


def describe(before: Mapping[str, bytes], change: Change) -> list[str]:
    """Return lines that describe what a change adds to and removes from each role."""
    lines = [change.about]
    for role, data in sorted(role_files(change).items()):
        new = metadata.read(data, role).signed
        old = metadata.read(before[role], role).signed if role in before else None
        was = f" after {old.version}" if old else ""
        lines.append(f"{role}: version {new.version}{was}, holds until {new.expires.isoformat()}")
        lines += [f"  {line}" for line in (*_targets(old, new), *_keys(old, new))]
    return [plain(line) for line in lines]


def plain(text: str) -> str:
    """Make untrusted text safe for a terminal: replace non-printable characters, such as escape codes, with '?'."""
    return printable(text, "?")


def _targets(old: Any, new: Any) -> list[str]:  # noqa: ANN401 - Root or Targets
    if not isinstance(new, Targets):
        return []
    before = old.targets if isinstance(old, Targets) else {}
    lines = []
    for path, file in sorted(new.targets.items()):
        if before.get(path) != file:
            sign = "changes" if path in before else "adds"
            custom = file.custom if isinstance(file.custom, dict) else {}
            notes = ", ".join(f"{k} {v}" for k, v in custom.items() if v not in (None, "", [], False))
            lines.append(f"{sign} {path}, {file.length:,} bytes, SHA-256 {file.hashes.get('sha256', '?')}: {notes}")
    return lines + [f"takes away {path}" for path in sorted(before.keys() - new.targets.keys())]


def _keys(old: Any, new: Any) -> list[str]:  # noqa: ANN401 - Root or Targets
    before, after = _named(old), _named(new)
    lines = []
    for role, (threshold, keys) in after.items():
        was, had = before.get(role, (0, set()))
        lines += [f"{key[:_SHORT]} can now sign {role}" for key in sorted(keys - had)]
        lines += [f"{key[:_SHORT]} can no longer sign {role}" for key in sorted(had - keys)]
        if threshold != was:
            lines.append(f"{role} needs {threshold} of {len(keys)} signatures" + (f", before {was}" if was else ""))
    return lines


def _named(signed: Any) -> dict[str, tuple[int, set[str]]]:  # noqa: ANN401 - Root or Targets
    """Return threshold and key ids of each role that this metadata names."""
    if isinstance(signed, Root):
        return {name: (role.threshold, set(role.keyids)) for name, role in signed.roles.items()}
    if not isinstance(signed, Targets) or signed.delegations is None:
        return {}
    if signed.delegations.succinct_roles is not None:
        bins = signed.delegations.succinct_roles
        return {f"{bins.name_prefix} (hash bins)": (bins.threshold, set(bins.keyids))}
    return {name: (role.threshold, set(role.keyids)) for name, role in (signed.delegations.roles or {}).items()}


_LARGEST = 64 << 20


def change(about: str, roles: Mapping[str, bytes], targets: tuple[str, ...] = ()) -> Change:
    """Create a change from metadata by role, signed or not."""
    return Change(about=about, roles={role: data.decode() for role, data in roles.items()}, targets=targets)


def role_files(change: Change) -> dict[str, bytes]:
    """Return the change's metadata by role."""
    return {role: text.encode() for role, text in change.roles.items()}


def results(published: Mapping[str, bytes], change: Change) -> dict[str, list[VerificationResult]]:
    """Return for each role who has signed and who may; a new root is checked against the old root and itself."""
    files = role_files(change)
    after = {**published, **files}
    by_role: dict[str, list[VerificationResult]] = {}
    for role, data in files.items():
        new = metadata.read(data, role)
        above = metadata.delegator(role)
        if role in ONLINE or above not in after:
            raise SignatureError("metadata of offline roles", role, change.about)
        delegators = [metadata.read(after[above], above).signed]
        if role == ROOT and ROOT in published and published[ROOT] != data:
            delegators.append(metadata.read(published[ROOT], ROOT).signed)
        try:
            by_role[role] = [d.get_verification_result(role, new.signed_bytes, new.signatures) for d in delegators]
        except ValueError as error:
            raise ReleaseError("a role that its delegator names", str(error), role) from None
    return by_role


def sign(published: Mapping[str, bytes], requested: Change, ring: Ring) -> Change:
    """Sign a change with every available key that may sign it."""
    files = role_files(requested)
    for role, verification in results(published, requested).items():
        parsed = metadata.read(files[role], role)
        before = len(parsed.signatures)
        wanted = {name: key for result in verification for name, key in result.unsigned.items()}
        for signer in ring.signers(wanted.values()):
            parsed.sign(signer, append=True)
        if len(parsed.signatures) > before:
            files[role] = parsed.to_bytes()
    return msgspec.structs.replace(requested, roles=change(requested.about, files).roles)


def lacking(role_files: Mapping[str, bytes], change: Change) -> list[str]:
    """Describe the missing signatures of each role; empty if the change is complete."""
    describe = []
    for role, verification in results(role_files, change).items():
        for result in verification:
            if not result.verified:
                names = ", ".join(name[:16] for name in result.unsigned)
                have = f"{len(result.signed)} of {result.threshold} signatures"
                describe.append(f"{role} has {have}, still to sign: any {result.missing} of {names or 'none'}")
    return list(dict.fromkeys(describe))


def require_whole(role_files: Mapping[str, bytes], change: Change, ring: Ring | None = None) -> None:
    """Check that a change has all required signatures.

    Raises:
        InputError: signatures are missing; the error names the roles and how to provide more keys.
    """
    describe = lacking(role_files, change)
    if describe:
        why = ring.why() if ring else ""
        do = "Bring more keys with --keys DIR, or let others sign: --prepare FILE, then edgewright fleet key sign FILE"
        raise SignatureError("signatures up to the threshold", "; ".join(describe), why, do)


def write_change(path: Path, change: Change, role_files: Mapping[str, bytes]) -> None:
    """Write a change and its base metadata to a file for others to sign.

    Raises:
        InputError: the file exists.
        OutputError: the file cannot be written.
    """
    if path.exists():
        raise ExistingFileError("a file that does not exist yet", "one that does", str(path))
    needed = {ROOT, TARGETS, *change.roles, *(metadata.delegator(role) for role in change.roles)}
    base = {role: role_files[role].decode() for role in sorted(needed) if role in role_files}
    save_change(path, msgspec.structs.replace(change, base=base))


def base(change: Change) -> dict[str, bytes]:
    """Return the base metadata of a prepared change by role; unverified, only for display and comparison."""
    return {role: text.encode() for role, text in change.base.items()}


def check_base(change: Change) -> str:
    """Verify the signatures of a prepared change's base metadata, starting at its own root.

    A description of a change on a forged base would hide what the attacker added to the base.

    Returns:
        SHA-256 of that root's bytes. Compare it with the known root: this function does not know the fleet's root.

    Raises:
        InputError: metadata is missing or not correctly signed.
    """
    previous = base(change)
    for role in (ROOT, TARGETS):
        if role not in previous:
            raise SignatureError(f"the metadata of {role} that the change is based on", "none", change.about)
    for role, data in previous.items():
        metadata.verify(previous, role, data)
    return metadata.sha256(previous[ROOT])


def save_change(path: Path, change: Change) -> None:
    """Write a change to a file, replacing an existing one.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomic(path, msgspec.json.format(msgspec.json.encode(change), indent=1) + b"\n", PRIVATE)


class _Format(msgspec.Struct):
    format: int


def read_change(path: Path) -> Change:
    """Read a change from a file without verifying its signatures.

    Raises:
        InputError: the file is missing, is not a change, or comes from a newer Edgewright.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise FileTooLargeError(f"at most {_LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path))
        data = path.read_bytes()
        format_number = msgspec.json.decode(data, type=_Format).format
        if format_number > CHANGE_VERSION:
            describe = f"Format {format_number} is newer than this Edgewright reads ({CHANGE_VERSION}): upgrade"
            raise MetadataVersionError(
                f"a change of format {CHANGE_VERSION} or older", str(format_number), str(path), describe
            )
        return msgspec.json.decode(data, type=Change)
    except OSError as error:
        raise FleetChangeError("a file with a change", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FleetChangeError("a change that `--prepare` wrote", str(error), str(path)) from None
