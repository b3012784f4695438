"""Making a fleet: its keys, its first signed metadata and its folder, whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from securesystemslib.signer import Key, Signer

from edgewright.core.files import sync_folder
from edgewright.fleet.protocol.keys.files import PRIVATE, make_key
from edgewright.fleet.protocol.layout import INDEX, ONLINE, RELEASES, ROOT, STICK_TIMESTAMP, TARGETS
from edgewright.fleet.repository import metadata, offline
from edgewright.fleet.repository.acceptance import issued
from edgewright.fleet.repository.folder import Fleet, write_settings
from edgewright.fleet.repository.online import sign_online
from edgewright.fleet.repository.public_files import make_folder, write_roles, write_targets
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_folder import FleetSettings, KeyMade

MOST_KEYS = 16


class Quorum(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of an offline role: `threshold` of `keys` must sign."""

    keys: int
    threshold: int


# One key of the root may be lost and one may be stolen; releases are signed often, so one person can.
USUAL: Mapping[str, Quorum] = {
    ROOT: Quorum(keys=3, threshold=2),
    TARGETS: Quorum(keys=3, threshold=2),
    RELEASES: Quorum(keys=2, threshold=1),
}


def create_fleet(
    folder: Path, settings: FleetSettings, quorums: Mapping[str, Quorum], passphrase: bytes | None, now: float
) -> tuple[Fleet, list[KeyMade]]:
    """Make keys, sign the first metadata and write the folder.

    Args:
        folder: that does not exist yet, or is empty.
        settings: of the fleet.
        quorums: of root, targets and releases.
        passphrase: of the offline keys; None for none. Online keys have none: a process starts with nobody there.
        now: seconds since 1970.

    Returns:
        The fleet and the keys that were made.

    Raises:
        InputError: the folder holds something, or a threshold cannot be reached.
        OutputError: it cannot be written; nothing is left behind.
    """
    _check(folder, quorums)
    make_folder(folder.absolute().parent)
    temporary = folder.absolute().parent / f".{folder.name}.{secrets.token_hex(8)}"
    try:
        temporary.mkdir(mode=0o755)
        fleet = Fleet(temporary, settings)
        made = _fill(fleet, quorums, passphrase, now)
        # Onto an empty folder a rename works too; onto anything else it fails.
        temporary.rename(folder)
        sync_folder(folder.absolute().parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        got = error.strerror or str(error)
        raise OutputError("a folder that can be written", got, str(folder), "Choose another one") from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    moved = [msgspec.structs.replace(m, file=str(folder / Path(m.file).relative_to(temporary))) for m in made]
    return Fleet(folder, settings), moved


def _check(folder: Path, quorums: Mapping[str, Quorum]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        got = "one that holds something" if folder.is_dir() else "a file"
        raise InputError("a new or empty folder", got, str(folder), "Choose another one; keys are never overwritten")
    for role, quorum in quorums.items():
        if not 1 <= quorum.threshold <= quorum.keys <= MOST_KEYS:
            got = f"{quorum.threshold} of {quorum.keys}"
            raise InputError(f"a threshold of {role} from 1 to its number of keys, at most {MOST_KEYS}", got)


def _fill(fleet: Fleet, quorums: Mapping[str, Quorum], passphrase: bytes | None, now: float) -> list[KeyMade]:
    made: list[KeyMade] = []
    keys: dict[str, list[Key]] = {}
    signers: dict[str, list[Signer]] = {}
    for file_path in (fleet.offline, fleet.online):
        file_path.mkdir(parents=True, mode=0o700)
    for role in offline.ROLES:
        away = fleet.away(role)
        for number in range(quorums[role].keys if role in quorums else 1):
            path = (fleet.offline if away else fleet.online) / f"{role}-{number + 1}{PRIVATE}"
            signer = make_key(path, passphrase if away else None)
            name = signer.public_key.keyid
            encrypted = away and passphrase is not None
            made.append(KeyMade(role=role, key=name, file=str(path), offline=away, encrypted=encrypted))
            keys.setdefault(role, []).append(signer.public_key)
            signers.setdefault(role, []).append(signer)
    thresholds = {role: quorums[role].threshold if role in quorums else 1 for role in offline.ROLES}
    unsigned = offline.first(keys, thresholds, now)
    first = {role: metadata.sign(metadata.read(data, role).signed, signers[role]) for role, data in unsigned.items()}
    index = issued(None, now)
    lifetime = STICK_TIMESTAMP - metadata.SLACK if fleet.settings.stick else None
    only = {role: signers[role][0] for role in ONLINE}
    signed = sign_online({}, {INDEX: index}, only, now, first, lifetime=lifetime)
    write_targets(fleet, {INDEX: index})
    write_roles(fleet, {**first, **signed})
    write_settings(fleet.folder, fleet.settings)
    return made
