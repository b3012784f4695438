"""A change on its way: who has signed, who must, and the file in which it travels between the people who sign."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from tuf.api.metadata import VerificationResult

from edgewright.core.files import write_atomic
from edgewright.fleet.protocol.keys.ring import Ring
from edgewright.fleet.protocol.layout import ONLINE, ROOT, TARGETS
from edgewright.fleet.repository import metadata
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import CHANGE_VERSION, Change

_LARGEST = 64 << 20


def change(about: str, roles: Mapping[str, bytes], targets: tuple[str, ...] = ()) -> Change:
    """A change from metadata by role; signatures may be there already."""
    return Change(about=about, roles={role: data.decode() for role, data in roles.items()}, targets=targets)


def role_files(asked: Change) -> dict[str, bytes]:
    """Metadata by role."""
    return {role: text.encode() for role, text in asked.roles.items()}


def results(held: Mapping[str, bytes], asked: Change) -> dict[str, list[VerificationResult]]:
    """For each role who has signed and who may: for a new root by the old one and by itself.

    Args:
        held: metadata that is published, by role.
        asked: the change.
    """
    files = role_files(asked)
    after = {**held, **files}
    found: dict[str, list[VerificationResult]] = {}
    for role, data in files.items():
        new = metadata.read(data, role)
        above = metadata.delegator(role)
        if role in ONLINE or above not in after:
            raise InputError("metadata of offline roles", role, asked.about)
        delegators = [metadata.read(after[above], above).signed]
        if role == ROOT and ROOT in held and held[ROOT] != data:
            delegators.append(metadata.read(held[ROOT], ROOT).signed)
        try:
            found[role] = [d.get_verification_result(role, new.signed_bytes, new.signatures) for d in delegators]
        except ValueError as error:
            raise InputError("a role that its delegator names", str(error), role) from None
    return found


def sign(held: Mapping[str, bytes], asked: Change, ring: Ring) -> Change:
    """The change with the signatures of every key at hand that may sign it.

    Args:
        held: metadata that is published, by role.
        asked: the change; signatures that it has stay.
        ring: keys at hand.
    """
    files = role_files(asked)
    for role, found in results(held, asked).items():
        parsed = metadata.read(files[role], role)
        before = len(parsed.signatures)
        wanted = {name: key for result in found for name, key in result.unsigned.items()}
        for signer in ring.signers(wanted.values()):
            parsed.sign(signer, append=True)
        if len(parsed.signatures) > before:
            files[role] = parsed.to_bytes()
    return msgspec.structs.replace(asked, roles=change(asked.about, files).roles)


def lacking(held: Mapping[str, bytes], asked: Change) -> list[str]:
    """What each role still lacks, for people; nothing when the change is whole."""
    told = []
    for role, found in results(held, asked).items():
        for result in found:
            if not result.verified:
                names = ", ".join(name[:16] for name in result.unsigned)
                have = f"{len(result.signed)} of {result.threshold} signatures"
                told.append(f"{role} has {have}, still to sign: any {result.missing} of {names or 'none'}")
    return list(dict.fromkeys(told))


def require_whole(held: Mapping[str, bytes], asked: Change, ring: Ring | None = None) -> None:
    """Nothing may be missing.

    Raises:
        InputError: saying which role lacks how many signatures, and what opens or brings more keys.
    """
    told = lacking(held, asked)
    if told:
        why = ring.why() if ring else ""
        do = "Bring more keys with --keys DIR, or let others sign: --prepare FILE, then edgewright fleet key sign FILE"
        raise InputError("signatures up to the threshold", "; ".join(told), why, do)


def write_change(path: Path, asked: Change, held: Mapping[str, bytes]) -> None:
    """Writes a change to a file, with what it builds upon, for others to sign.

    Raises:
        InputError: the file exists.
        OutputError: it cannot be written.
    """
    if path.exists():
        raise InputError("a file that does not exist yet", "one that does", str(path))
    needed = {ROOT, TARGETS, *asked.roles, *(metadata.delegator(role) for role in asked.roles)}
    base = {role: held[role].decode() for role in sorted(needed) if role in held}
    save_change(path, msgspec.structs.replace(asked, base=base))


def base(asked: Change) -> dict[str, bytes]:
    """Metadata that a prepared change builds upon, by role; not to be believed, only to be shown and compared."""
    return {role: text.encode() for role, text in asked.base.items()}


def check_base(asked: Change) -> str:
    """Whether what a prepared change builds upon is signed, from its own root down.

    Who is shown what a change adds to something forged would not see what the forger added before.

    Returns:
        SHA-256 of that root's bytes, for comparing with the one that is known: nothing here says whose root it is.

    Raises:
        InputError: something is missing or not signed as it must be.
    """
    found = base(asked)
    for role in (ROOT, TARGETS):
        if role not in found:
            raise InputError(f"the metadata of {role} that the change builds upon", "none", asked.about)
    for role, data in found.items():
        metadata.verify(found, role, data)
    return metadata.sha256(found[ROOT])


def save_change(path: Path, asked: Change) -> None:
    """Writes a change, over the one that was there.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomic(path, msgspec.json.format(msgspec.json.encode(asked), indent=1) + b"\n")


class _Format(msgspec.Struct):
    format: int


def read_change(path: Path) -> Change:
    """A change from a file; whether its signatures are good is another question.

    Raises:
        InputError: there is no such file, it is something else, or a newer Edgewright made it.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"at most {_LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path))
        data = path.read_bytes()
        found = msgspec.json.decode(data, type=_Format).format
        if found > CHANGE_VERSION:
            told = f"Format {found} is newer than this Edgewright reads ({CHANGE_VERSION}): upgrade"
            raise InputError(f"a change of format {CHANGE_VERSION} or older", str(found), str(path), told)
        return msgspec.json.decode(data, type=Change)
    except OSError as error:
        raise InputError("a file with a change", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a change that `--prepare` wrote", str(error), str(path)) from None
