"""Other keys for a role, and longer lives for what offline keys signed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from securesystemslib.signer import Key

from edgewright.fleet.protocol.keys.files import PRIVATE, PUBLIC, make_key
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.repository import changes, metadata, offline
from edgewright.fleet.repository.acceptance import read_held, waiting
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.public_files import make_folder
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Change, KeyMade

REFRESH_WITHIN = 30 * DAY


@contextmanager
def kept_when_done(fleet: Fleet, made: Sequence[KeyMade]) -> Iterator[None]:
    """Delete keys that were just made when what they were made for fails, as long as no accepted change names them."""
    try:
        yield
    except BaseException:
        accepted = "".join(text for found in waiting(fleet) for text in found.change.roles.values())
        for key in made:
            if key.key not in accepted:
                Path(key.file).unlink(missing_ok=True)
                Path(key.file).with_suffix(PUBLIC).unlink(missing_ok=True)
        raise


def rotate(
    fleet: Fleet, role: str, now: float, *, remove: Sequence[str] | None = None, add: Sequence[Key] = (),
    make: int | None = None, threshold: int | None = None, passphrase: bytes | None = None,
) -> tuple[Change, list[KeyMade]]:  # fmt: skip
    """Return a change that gives a role other keys, without signatures; new keys lie in the fleet's folders already.

    Args:
        fleet: locked by the caller.
        role: one of the six.
        now: seconds since 1970.
        remove: ids, or their beginnings, of keys that may no longer sign; None for all of the role.
        add: public halves of keys that were made elsewhere.
        make: keys to make here; None for as many as replace those that go.
        threshold: signatures that the role needs from now on; None for as many as before.
        passphrase: of keys that are made for an offline role.

    Raises:
        InputError: no such role or key, or a threshold that cannot be reached.
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
            key, key_made = _make(fleet, role, passphrase)
            keys.append(key)
            made.append(key_made)
        roles = offline.change_keys(held, role, remove=going, add=keys, threshold=threshold, now=now)
    about = f"{role}: {len(keys)} new, {len(going)} taken away"
    return changes.change(f"keys of {about}", roles), made


def role_with(held: Mapping[str, bytes], key: str) -> str:
    """Whose key it is.

    Args:
        held: metadata by role.
        key: id, or its beginning.

    Raises:
        InputError: no role's, or several roles'.
    """
    found = [r for r in offline.ROLES if any(name.startswith(key) for name in offline.role_of(held, r).keyids)]
    if len(found) != 1 or len(key) < 4:
        got = f"{key!r}, which fits {', '.join(found) or 'none'}"
        raise InputError("the id of one key, at least 4 digits of it", got, do="See edgewright fleet key list")
    return found[0]


def full_id(key: str, known: Sequence[str], role: str) -> str:
    """Return the id that begins so.

    Raises:
        InputError: none does, or several do.
    """
    found = [name for name in known if key and name.startswith(key)]
    if len(found) != 1:
        text = ", ".join(name[:16] for name in known)
        raise InputError(f"a key of {role}: {text}", repr(key), "--key")
    return found[0]


def due(held: Mapping[str, bytes], now: float, within: float = REFRESH_WITHIN) -> list[str]:
    """Offline roles, hash bins too, whose metadata expires within so many seconds."""
    roles = offline.offline_roles(held)
    return [r for r in roles if metadata.read(held[r], r).signed.expires.timestamp() - now < within]


def refresh(fleet: Fleet, roles: Sequence[str], now: float) -> Change:
    """Return a change that signs offline roles as they are, for longer, without signatures."""
    held = read_held(fleet)
    return changes.change(f"{', '.join(roles)} for longer", offline.refreshed(held, roles, now))


def _make(fleet: Fleet, role: str, passphrase: bytes | None) -> tuple[Key, KeyMade]:
    away = fleet.away(role)
    folder = fleet.offline if away else fleet.online
    make_folder(folder, 0o700)
    taken = (re.fullmatch(rf"{role}-(\d+)", path.stem) for path in folder.iterdir())
    # A number is not given again, even where the private half was carried away and only the public one stayed.
    known = len(offline.role_of(read_held(fleet), role).keyids)
    number = 1 + max((int(found[1]) for found in taken if found), default=known)
    path = folder / f"{role}-{number}{PRIVATE}"
    signer = make_key(path, passphrase if away else None)
    name = signer.public_key.keyid
    key_made = KeyMade(role=role, key=name, file=str(path), offline=away, encrypted=away and passphrase is not None)
    return signer.public_key, key_made
