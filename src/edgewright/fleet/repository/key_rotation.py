"""Rotates the keys of a role and renews metadata that offline keys signed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from securesystemslib.signer import Key

from edgewright.fleet.protocol.keys.files import PRIVATE, PUBLIC, make_key
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.repository import changes, metadata, offline
from edgewright.fleet.repository.acceptance import read_held
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.public_files import make_folder
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Change, KeyMade

REFRESH_WITHIN = 30 * DAY


@contextmanager
def kept_when_done(fleet: Fleet, made: Sequence[KeyMade]) -> Iterator[None]:
    """Delete newly created keys if the enclosed work fails, unless an accepted change names them."""
    try:
        yield
    except BaseException:
        accepted = b"".join(read_held(fleet).values()).decode()  # published, or waiting to be
        for key in made:
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
    held = read_held(fleet)
    named = offline.role_of(held, role).keyids
    going = list(named) if remove is None else [full_id(one, named, role) for one in remove]
    count = max(0, len(going) - len(add)) if make is None else make
    made: list[KeyMade] = []
    with kept_when_done(fleet, made):
        keys = [*add]
        for _ in range(count):
            key, key_made = make_key_of(fleet, role, passphrase)
            keys.append(key)
            made.append(key_made)
        roles = offline.change_keys(held, role, remove=going, add=keys, threshold=threshold, now=now)
    about = f"{role}: {len(keys)} new, {len(going)} removed"
    return changes.change(f"keys of {about}", roles), made


def role_with(held: Mapping[str, bytes], key: str) -> str:
    """Return the role of a key.

    Raises:
        InputError: the prefix matches no role or several roles.
    """
    found = [r for r in offline.ROLES if any(name.startswith(key) for name in offline.role_of(held, r).keyids)]
    if len(found) != 1 or len(key) < 4:
        got = f"{key!r}, which matches {', '.join(found) or 'none'}"
        raise InputError("the first 4 or more digits of one key's id", got, do="See edgewright fleet key list")
    return found[0]


def full_id(key: str, known: Sequence[str], role: str) -> str:
    """Return the full id of a key from its prefix.

    Raises:
        InputError: no id or several ids have the prefix.
    """
    found = [name for name in known if key and name.startswith(key)]
    if len(found) != 1:
        text = ", ".join(name[:16] for name in known)
        raise InputError(f"a key of {role}: {text}", repr(key), "--key")
    return found[0]


def due(held: Mapping[str, bytes], now: float, within: float = REFRESH_WITHIN) -> list[str]:
    """Return the offline roles, including hash bins, whose metadata expires within `within` seconds."""
    roles = offline.offline_roles(held)
    return [r for r in roles if metadata.read(held[r], r).signed.expires.timestamp() - now < within]


def refresh(fleet: Fleet, roles: Sequence[str], now: float) -> Change:
    """Create an unsigned change that renews offline roles without changing their content."""
    held = read_held(fleet)
    return changes.change(f"{', '.join(roles)} for longer", offline.refreshed(held, roles, now))


def make_key_of(fleet: Fleet, role: str, passphrase: bytes | None) -> tuple[Key, KeyMade]:
    """Create a key of a role in the fleet's folders, and return its public half and where it is."""
    away = fleet.away(role)
    folder = fleet.offline if away else fleet.online
    make_folder(folder, 0o700)
    taken = (re.fullmatch(rf"{role}-(\d+)", path.stem) for path in folder.iterdir())
    # Numbers are not reused, even if the private half was moved away and only the public half remains.
    known = len(offline.role_of(read_held(fleet), role).keyids)
    number = 1 + max((int(found[1]) for found in taken if found), default=known)
    path = folder / f"{role}-{number}{PRIVATE}"
    signer = make_key(path, passphrase if away else None)
    name = signer.public_key.keyid
    key_made = KeyMade(role=role, key=name, file=str(path), offline=away, encrypted=away and passphrase is not None)
    return signer.public_key, key_made
