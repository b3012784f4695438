"""Create a fleet folder, rotate and replace its keys, and renew metadata that offline keys signed."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from securesystemslib.signer import Key, Signer

from edgewright.core.errors import OutputError, SigningKeyError, ThresholdError
from edgewright.core.files import private_folder, sync
from edgewright.core.records.fleet import Release
from edgewright.fleet.protocol.keys import PRIVATE, PUBLIC, make_key
from edgewright.fleet.protocol.layout import (
    DAY,
    INDEX,
    ONLINE,
    RELEASES,
    ROOT,
    STICK_TIMESTAMP,
    TARGETS,
    Change,
    FleetSettings,
    KeyMade,
)
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import issued, read_held, settle, sign_online, writing
from edgewright.fleet.repository.folder import (
    Fleet,
    make_folder,
    open_fleet,
    write_roles,
    write_settings,
    write_targets,
)
from edgewright.fleet.repository.publication import Contents, prepare_release

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
        raise SigningKeyError(
            "a new or empty folder", got, str(folder), "Choose another one; keys are never overwritten"
        )
    for role, quorum in quorums.items():
        if not 1 <= quorum.threshold <= quorum.keys <= MOST_KEYS:
            got = f"{quorum.threshold} of {quorum.keys}"
            raise ThresholdError(f"a threshold of {role} from 1 to its number of keys, at most {MOST_KEYS}", got)


def _fill(fleet: Fleet, quorums: Mapping[str, Quorum], passphrase: bytes | None, now: float) -> list[KeyMade]:
    new_keys: list[KeyMade] = []
    keys: dict[str, list[Key]] = {}
    signers: dict[str, list[Signer]] = {}
    for folder in (fleet.offline.parent, fleet.offline, fleet.online):
        private_folder(folder)
    for role in metadata.ROLES:
        away = fleet.away(role)
        for number in range(quorums[role].keys if role in quorums else 1):
            path = (fleet.offline if away else fleet.online) / f"{role}-{number + 1}{PRIVATE}"
            signer = make_key(path, passphrase if away else None)
            name = signer.public_key.keyid
            encrypted = away and passphrase is not None
            new_keys.append(KeyMade(role=role, key=name, file=str(path), offline=away, encrypted=encrypted))
            keys.setdefault(role, []).append(signer.public_key)
            signers.setdefault(role, []).append(signer)
    thresholds = {role: quorums[role].threshold if role in quorums else 1 for role in metadata.ROLES}
    unsigned = metadata.first(keys, thresholds, now)
    first = {role: metadata.sign(metadata.read(data, role).signed, signers[role]) for role, data in unsigned.items()}
    index = issued(None, now)
    lifetime = STICK_TIMESTAMP - metadata.SLACK if fleet.settings.stick else None
    only = {role: signers[role][0] for role in ONLINE}
    signed = sign_online({}, {INDEX: index}, only, now, first, lifetime=lifetime)
    write_targets(fleet, {INDEX: index})
    write_roles(fleet, {**first, **signed})
    write_settings(fleet.folder, fleet.settings)
    return new_keys


REFRESH_WITHIN = 30 * DAY


@contextmanager
def kept_when_done(fleet: Fleet, new_keys: Sequence[KeyMade]) -> Iterator[None]:
    """Delete newly created keys if the enclosed work fails, unless an accepted change names them."""
    try:
        yield
    except BaseException:
        accepted = b"".join(read_held(fleet).values()).decode()  # published, or waiting to be
        for key in new_keys:
            if key.key not in accepted:
                Path(key.file).unlink(missing_ok=True)
                Path(key.file).with_suffix(PUBLIC).unlink(missing_ok=True)
        raise


def rotate(
    fleet: Fleet, role: str, now: float, *, remove: Sequence[str] | None = None, add: Sequence[Key] = (),
    make: int | None = None, threshold: int | None = None, passphrase: bytes | None = None,
) -> tuple[Change, list[KeyMade]]:  # fmt: skip
    """Create an unsigned change that replaces keys of a role; new keys are written to the fleet's folders.

    Args:
        fleet: locked by the caller.
        role: one of the six roles.
        now: seconds since 1970.
        remove: ids or id prefixes of keys to remove; None for all keys of the role.
        add: public halves of keys that were created elsewhere.
        make: number of keys to create here; None for as many as replace the removed ones.
        threshold: new number of required signatures; None keeps it.
        passphrase: passphrase of new keys of an offline role.

    Raises:
        InputError: the role or a key does not exist, or the threshold cannot be reached.
        OutputError: a key cannot be written.
    """
    role_files = read_held(fleet)
    named = metadata.role_of(role_files, role).keyids
    going = list(named) if remove is None else [full_id(key_id, named, role) for key_id in remove]
    count = max(0, len(going) - len(add)) if make is None else make
    new_keys: list[KeyMade] = []
    with kept_when_done(fleet, new_keys):
        keys = [*add]
        for _ in range(count):
            key, key_made = make_key_of(fleet, role, passphrase)
            keys.append(key)
            new_keys.append(key_made)
        roles = metadata.change_keys(role_files, role, remove=going, add=keys, threshold=threshold, now=now)
    about = f"{role}: {len(keys)} new, {len(going)} removed"
    return changes.change(f"keys of {about}", roles), new_keys


def role_with(role_files: Mapping[str, bytes], key: str) -> str:
    """Return the role of a key.

    Raises:
        InputError: the prefix matches no role or several roles.
    """
    roles = [r for r in metadata.ROLES if any(name.startswith(key) for name in metadata.role_of(role_files, r).keyids)]
    if len(roles) != 1 or len(key) < 4:
        got = f"{key!r}, which matches {', '.join(roles) or 'none'}"
        raise SigningKeyError("the first 4 or more digits of one key's id", got, do="See edgewright fleet key list")
    return roles[0]


def full_id(key: str, known: Sequence[str], role: str) -> str:
    """Return the full id of a key from its prefix.

    Raises:
        InputError: no id or several ids have the prefix.
    """
    matches = [name for name in known if key and name.startswith(key)]
    if len(matches) != 1:
        text = ", ".join(name[:16] for name in known)
        raise SigningKeyError(f"a key of {role}: {text}", repr(key), "--key")
    return matches[0]


def due(role_files: Mapping[str, bytes], now: float) -> list[str]:
    """Return the offline roles, including hash bins, whose metadata expires within `REFRESH_WITHIN` seconds."""
    roles = metadata.offline_roles(role_files)
    return [r for r in roles if metadata.read(role_files[r], r).signed.expires.timestamp() - now < REFRESH_WITHIN]


def refresh(fleet: Fleet, roles: Sequence[str], now: float) -> Change:
    """Create an unsigned change that renews offline roles without changing their content."""
    role_files = read_held(fleet)
    return changes.change(f"{', '.join(roles)} for longer", metadata.refreshed(role_files, roles, now))


def make_key_of(fleet: Fleet, role: str, passphrase: bytes | None) -> tuple[Key, KeyMade]:
    """Create a key of a role in the fleet's folders, and return its public half and where it is."""
    away = fleet.away(role)
    folder = fleet.offline if away else fleet.online
    make_folder(folder, 0o700)
    names = (re.fullmatch(rf"{role}-(\d+)", path.stem) for path in folder.iterdir())
    # Numbers are not reused, even if the private half was moved away and only the public half remains.
    known = len(metadata.role_of(read_held(fleet), role).keyids)
    number = 1 + max((int(match[1]) for match in names if match), default=known)
    path = folder / f"{role}-{number}{PRIVATE}"
    signer = make_key(path, passphrase if away else None)
    name = signer.public_key.keyid
    key_made = KeyMade(role=role, key=name, file=str(path), offline=away, encrypted=away and passphrase is not None)
    return signer.public_key, key_made


def create(folder: Path, name: str, product: str = "main") -> Fleet:
    """Create a fleet of one product with the usual keys, all of which stay in its folder.

    Raises:
        InputError, OutputError: see `creation.create_fleet`.
    """
    return create_fleet(folder, FleetSettings(name=name, products=(product,)), USUAL, None, time.time())[0]


def publish(folder: Path, package: Path | Contents, notes: str = "", product: str | None = None) -> Release:
    """Sign a package as the next release of a product, with its way back; None for the fleet's only product.

    Raises:
        InputError, CheckFailedError, OutputError: see `publication.prepare_release`; also where keys are missing.
    """
    fleet, now = open_fleet(folder), time.time()
    ring = fleet.ring()
    with writing(fleet, now, ring):
        change, signed = prepare_release(fleet, package, now, product=fleet.product(product), notes=notes)
        settle(fleet, change, ring, now)
    return signed[0].release
