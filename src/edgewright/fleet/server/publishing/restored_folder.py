"""Completes the folder of a fleet after a restore: missing files, and waiting changes that were already published."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from edgewright.fleet.protocol.layout import METADATA_PATH, ONLINE, TARGETS_PATH
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import taken, waiting, withdraw
from edgewright.fleet.repository.folder import Fleet, locked
from edgewright.fleet.repository.offline import role_keys
from edgewright.fleet.repository.public_files import read_target, write_targets
from edgewright.schema.errors import InputError


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """The result of downloading missing files.

    Attributes:
        brought: downloaded paths below `targets`, with the hash before the name.
        missing: paths that are missing or altered at the public address too.
    """

    brought: tuple[str, ...]
    missing: tuple[str, ...]


def bring(fleet: Fleet, read: Callable[[str], bytes | None], held: Mapping[str, bytes]) -> Brought:
    """Download files that the metadata names but the folder lacks, one file at a time.

    Args:
        fleet: fleet whose folder is completed.
        read: returns the bytes of a path such as '/targets/NAME' at the public address; None if it does not exist.
        held: verified metadata by role.

    Raises:
        Unreachable: the public address does not answer.
        OutputError: a file cannot be written.
    """
    brought: list[str] = []
    missing: list[str] = []
    for path, file in metadata.named_targets(held).items():
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


def keyless(fleet: Fleet, held: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the online roles without a key: their keys were rotated after the backup and lost with the machine.

    Raises:
        InputError: a key file cannot be used.
    """
    ring, elsewhere = fleet.ring(), fleet.settings.signers
    return tuple(
        one.role
        for one in role_keys(held)
        if one.role in ONLINE
        and sum(ring.file(key) is not None or key in elsewhere for key in one.keys) < one.threshold
    )


def _whole(fleet: Fleet, path: str, sha256: str) -> bool:
    try:
        read_target(fleet, path, sha256)
    except InputError:
        return False
    return True


def withdraw_replaced(fleet: Fleet, read: Callable[[str], bytes | None], held: Mapping[str, bytes]) -> tuple[str, ...]:
    """Withdraw changes that waited at the time of the backup and do not follow the published state.

    A change that was published is only deleted. A change whose version another change has used, and all changes that
    depend on it, must be prepared again.

    Args:
        fleet: fleet that is not being served.
        read: returns the bytes of a path at the public address.
        held: published metadata by role.

    Returns:
        Descriptions of the changes that must be prepared again.

    Raises:
        InputError: the file of a change cannot be read.
        Unreachable: the public address does not answer.
    """
    with locked(fleet):
        for found in waiting(fleet):
            files = changes.role_files(found.change)
            old = {
                role: number
                for role in files
                if (number := metadata.version(files, role)) <= metadata.version(held, role)
            }
            if any(read(f"{METADATA_PATH}/{number}.{role}.json") != files[role] for role, number in old.items()):
                return tuple(one.change.about for one in withdraw(fleet, int(found.path.stem)))
            if len(old) == len(files):
                taken(found)
    return ()
