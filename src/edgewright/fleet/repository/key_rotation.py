"""Rotates the keys of a role, replaces stolen ones, and renews metadata that offline keys signed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from securesystemslib.signer import Key

from edgewright.core.files import PRIVATE as PRIVATE_MODE
from edgewright.core.files import write_atomic
from edgewright.fleet.protocol.keys.files import PRIVATE, PUBLIC, make_key
from edgewright.fleet.protocol.layout import DAY, ONLINE
from edgewright.fleet.repository import changes, metadata, offline
from edgewright.fleet.repository.acceptance import read_held
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.public_files import make_folder
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Change, KeyMade, StolenKey

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
    named = offline.role_of(role_files, role).keyids
    going = list(named) if remove is None else [full_id(key_id, named, role) for key_id in remove]
    count = max(0, len(going) - len(add)) if make is None else make
    new_keys: list[KeyMade] = []
    with kept_when_done(fleet, new_keys):
        keys = [*add]
        for _ in range(count):
            key, key_made = make_key_of(fleet, role, passphrase)
            keys.append(key)
            new_keys.append(key_made)
        roles = offline.change_keys(role_files, role, remove=going, add=keys, threshold=threshold, now=now)
    about = f"{role}: {len(keys)} new, {len(going)} removed"
    return changes.change(f"keys of {about}", roles), new_keys


def role_with(role_files: Mapping[str, bytes], key: str) -> str:
    """Return the role of a key.

    Raises:
        InputError: the prefix matches no role or several roles.
    """
    roles = [r for r in offline.ROLES if any(name.startswith(key) for name in offline.role_of(role_files, r).keyids)]
    if len(roles) != 1 or len(key) < 4:
        got = f"{key!r}, which matches {', '.join(roles) or 'none'}"
        raise InputError("the first 4 or more digits of one key's id", got, do="See edgewright fleet key list")
    return roles[0]


def full_id(key: str, known: Sequence[str], role: str) -> str:
    """Return the full id of a key from its prefix.

    Raises:
        InputError: no id or several ids have the prefix.
    """
    matches = [name for name in known if key and name.startswith(key)]
    if len(matches) != 1:
        text = ", ".join(name[:16] for name in known)
        raise InputError(f"a key of {role}: {text}", repr(key), "--key")
    return matches[0]


def due(role_files: Mapping[str, bytes], now: float) -> list[str]:
    """Return the offline roles, including hash bins, whose metadata expires within `REFRESH_WITHIN` seconds."""
    roles = offline.offline_roles(role_files)
    return [r for r in roles if metadata.read(role_files[r], r).signed.expires.timestamp() - now < REFRESH_WITHIN]


def refresh(fleet: Fleet, roles: Sequence[str], now: float) -> Change:
    """Create an unsigned change that renews offline roles without changing their content."""
    role_files = read_held(fleet)
    return changes.change(f"{', '.join(roles)} for longer", offline.refreshed(role_files, roles, now))


def make_key_of(fleet: Fleet, role: str, passphrase: bytes | None) -> tuple[Key, KeyMade]:
    """Create a key of a role in the fleet's folders, and return its public half and where it is."""
    away = fleet.away(role)
    folder = fleet.offline if away else fleet.online
    make_folder(folder, 0o700)
    names = (re.fullmatch(rf"{role}-(\d+)", path.stem) for path in folder.iterdir())
    # Numbers are not reused, even if the private half was moved away and only the public half remains.
    known = len(offline.role_of(read_held(fleet), role).keyids)
    number = 1 + max((int(match[1]) for match in names if match), default=known)
    path = folder / f"{role}-{number}{PRIVATE}"
    signer = make_key(path, passphrase if away else None)
    name = signer.public_key.keyid
    key_made = KeyMade(role=role, key=name, file=str(path), offline=away, encrypted=away and passphrase is not None)
    return signer.public_key, key_made


RECORD = "stolen.json"


def find_stolen(fleet: Fleet, key: str, now: float) -> StolenKey:
    """Return what to do about a key: what was recorded of it before, or what it is now.

    Raises:
        InputError: the prefix names no key or several.
    """
    role_files = read_held(fleet)
    recorded = {name: record for record in _recorded(fleet) for name in record.keys}
    live = {name: role for role in offline.ROLES for name in offline.role_of(role_files, role).keyids}
    names = [name for name in {**recorded, **live} if len(key) >= 4 and name.startswith(key)]
    if len(names) != 1:
        got = f"{key!r}, which matches {', '.join(name[:16] for name in names) or 'none'}"
        raise InputError("the first 4 or more digits of one key's id", got, do="See edgewright fleet key list")
    name = names[0]
    if name in recorded:
        return recorded[name]
    role = live[name]
    together = ONLINE if role in ONLINE else ()
    keys = {name, *(other for record in together for other in offline.role_of(role_files, record).keyids)}
    return StolenKey(key=name, role=role, keys=tuple(sorted(keys)), at=now)


def record_stolen(fleet: Fleet, stolen: StolenKey) -> None:
    """Record a stolen key durably; again, it has no effect.

    Raises:
        OutputError: the record cannot be written.
    """
    recorded = _recorded(fleet)
    if not any(record.keys == stolen.keys for record in recorded):
        write_atomic(_path(fleet), msgspec.json.encode([*recorded, stolen]), PRIVATE_MODE)


def still_trusted(role_files: Mapping[str, bytes], stolen: StolenKey) -> dict[str, list[str]]:
    """Return the keys of the record that may still sign by this metadata, by role."""
    named = {
        role: [key for key in offline.role_of(role_files, role).keyids if key in stolen.keys] for role in offline.ROLES
    }
    return {role: keys for role, keys in named.items() if keys}


def revocation(
    fleet: Fleet, stolen: StolenKey, now: float, passphrase: bytes | None
) -> tuple[Change | None, list[KeyMade]]:
    """Create one unsigned change that replaces all keys of the record; None if none of them counts any more.

    Args:
        fleet: locked by the caller.
        stolen: what was recorded.
        now: seconds since 1970.
        passphrase: of new keys of offline roles.

    Raises:
        OutputError: a key cannot be written.
    """
    role_files, files = read_held(fleet), dict[str, bytes]()
    new_keys: list[KeyMade] = []
    with kept_when_done(fleet, new_keys):
        for role, going in still_trusted(role_files, stolen).items():
            added: list[Key] = []
            for _ in going:
                key, written = make_key_of(fleet, role, passphrase)
                added.append(key)
                new_keys.append(written)
            changed = offline.change_keys({**role_files, **files}, role, remove=going, add=added, now=now)
            files |= {name: _following(role_files, name, data) for name, data in changed.items()}
    if not files:
        return None, []
    return changes.change(
        f"stolen keys of {', '.join(sorted({new_key.role for new_key in new_keys}))} are replaced", files
    ), new_keys


def prepared(fleet: Fleet, stolen: StolenKey, file: Path) -> Change | None:
    """Return the revocation that was prepared in a file before; None if it was not, or something came in between."""
    role_files = read_held(fleet)
    try:
        change = changes.read_change(file)
        files = changes.role_files(change)
        current = all(metadata.version(files, role) == metadata.version(role_files, role) + 1 for role in files)
        return change if files and current and not still_trusted({**role_files, **files}, stolen) else None
    except (InputError, OSError):
        return None


def _following(role_files: dict[str, bytes], role: str, data: bytes) -> bytes:
    """Give metadata the version after the published one: several of its keys change in one version."""
    signed = metadata.read(data, role).signed
    signed.version = metadata.version(role_files, role) + 1
    return metadata.sign(signed, [])


def _path(fleet: Fleet) -> Path:
    return fleet.online.parent / RECORD


def _recorded(fleet: Fleet) -> Sequence[StolenKey]:
    try:
        return msgspec.json.decode(_path(fleet).read_bytes(), type=list[StolenKey])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        raise InputError("the record of stolen keys", str(error), str(_path(fleet)), "Move it away") from None
