"""Creates a fleet atomically: its keys, its first signed metadata and its folder."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from securesystemslib.signer import Key, Signer

from edgewright.core.files import private_folder, sync
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


# The root tolerates the loss or the theft of one key. Releases are signed often, so one signature is enough.
USUAL: Mapping[str, Quorum] = {
    ROOT: Quorum(keys=3, threshold=2),
    TARGETS: Quorum(keys=3, threshold=2),
    RELEASES: Quorum(keys=2, threshold=1),
}


def create_fleet(
    folder: Path, settings: FleetSettings, quorums: Mapping[str, Quorum], passphrase: bytes | None, now: float
) -> tuple[Fleet, list[KeyMade]]:
    """Create keys, sign the first metadata and write the folder.

    Args:
        folder: a new or empty folder.
        settings: settings of the fleet.
        quorums: keys and thresholds of root, targets and releases.
        passphrase: passphrase of the offline keys; None for none. Online keys have none, for an unattended start.
        now: seconds since 1970.

    Returns:
        The fleet and the created keys.

    Raises:
        InputError: the folder is not empty, or a threshold cannot be reached.
        OutputError: the folder cannot be written; no files remain.
    """
    _check(folder, quorums)
    make_folder(folder.absolute().parent)
    temporary = folder.absolute().parent / f".{folder.name}.{secrets.token_hex(8)}"
    try:
        temporary.mkdir(mode=0o700)
        fleet = Fleet(temporary, settings)
        new_keys = _fill(fleet, quorums, passphrase, now)
        # A rename can replace an empty folder and fails for anything else.
        temporary.rename(folder)
        sync(folder.absolute().parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        got = error.strerror or str(error)
        raise OutputError("a folder that can be written", got, str(folder), "Choose another one") from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    moved = [msgspec.structs.replace(m, file=str(folder / Path(m.file).relative_to(temporary))) for m in new_keys]
    return Fleet(folder, settings), moved


def _check(folder: Path, quorums: Mapping[str, Quorum]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        got = "a folder with files" if folder.is_dir() else "a file"
        raise InputError("a new or empty folder", got, str(folder), "Choose another one; keys are never overwritten")
    for role, quorum in quorums.items():
        if not 1 <= quorum.threshold <= quorum.keys <= MOST_KEYS:
            got = f"{quorum.threshold} of {quorum.keys}"
            raise InputError(f"a threshold of {role} from 1 to its number of keys, at most {MOST_KEYS}", got)


def _fill(fleet: Fleet, quorums: Mapping[str, Quorum], passphrase: bytes | None, now: float) -> list[KeyMade]:
    new_keys: list[KeyMade] = []
    keys: dict[str, list[Key]] = {}
    signers: dict[str, list[Signer]] = {}
    for folder in (fleet.offline.parent, fleet.offline, fleet.online):
        private_folder(folder)
    for role in offline.ROLES:
        away = fleet.away(role)
        for number in range(quorums[role].keys if role in quorums else 1):
            path = (fleet.offline if away else fleet.online) / f"{role}-{number + 1}{PRIVATE}"
            signer = make_key(path, passphrase if away else None)
            name = signer.public_key.keyid
            encrypted = away and passphrase is not None
            new_keys.append(KeyMade(role=role, key=name, file=str(path), offline=away, encrypted=encrypted))
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
    return new_keys
