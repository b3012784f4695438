"""Revokes stolen keys: a record of what was reported first, then one change that replaces every key that it names.

Whoever has one online key had the machine that holds all three, so they go together. The record makes the act
repeatable: after an interruption it names the same keys and the same moment, also when some of them are gone already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from securesystemslib.signer import Key

from edgewright.core.files import PRIVATE, write_atomic
from edgewright.fleet.protocol.layout import ONLINE
from edgewright.fleet.repository import changes, metadata, offline
from edgewright.fleet.repository.acceptance import read_held
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.key_rotation import kept_when_done, make_key_of
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Change, KeyMade, StolenKey

RECORD = "stolen.json"


def find_stolen(fleet: Fleet, key: str, now: float) -> StolenKey:
    """Return what to do about a key: what was recorded of it before, or what it is now.

    Raises:
        InputError: the prefix names no key or several.
    """
    held = read_held(fleet)
    recorded = {name: one for one in _recorded(fleet) for name in one.keys}
    live = {name: role for role in offline.ROLES for name in offline.role_of(held, role).keyids}
    names = [name for name in {**recorded, **live} if len(key) >= 4 and name.startswith(key)]
    if len(names) != 1:
        got = f"{key!r}, which matches {', '.join(name[:16] for name in names) or 'none'}"
        raise InputError("the first 4 or more digits of one key's id", got, do="See edgewright fleet key list")
    name = names[0]
    if name in recorded:
        return recorded[name]
    role = live[name]
    together = ONLINE if role in ONLINE else ()
    keys = {name, *(other for one in together for other in offline.role_of(held, one).keyids)}
    return StolenKey(key=name, role=role, keys=tuple(sorted(keys)), at=now)


def record_stolen(fleet: Fleet, stolen: StolenKey) -> None:
    """Record a stolen key durably; again, it has no effect.

    Raises:
        OutputError: the record cannot be written.
    """
    recorded = _recorded(fleet)
    if not any(one.keys == stolen.keys for one in recorded):
        write_atomic(_path(fleet), msgspec.json.encode([*recorded, stolen]), PRIVATE)


def still_trusted(held: Mapping[str, bytes], stolen: StolenKey) -> dict[str, list[str]]:
    """Return the keys of the record that may still sign by this metadata, by role."""
    named = {role: [key for key in offline.role_of(held, role).keyids if key in stolen.keys] for role in offline.ROLES}
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
    held, files = read_held(fleet), dict[str, bytes]()
    made: list[KeyMade] = []
    with kept_when_done(fleet, made):
        for role, going in still_trusted(held, stolen).items():
            added: list[Key] = []
            for _ in going:
                key, written = make_key_of(fleet, role, passphrase)
                added.append(key)
                made.append(written)
            changed = offline.change_keys({**held, **files}, role, remove=going, add=added, now=now)
            files |= {name: _following(held, name, data) for name, data in changed.items()}
    if not files:
        return None, []
    return changes.change(f"stolen keys of {', '.join(sorted({one.role for one in made}))} are replaced", files), made


def prepared(fleet: Fleet, stolen: StolenKey, file: Path) -> Change | None:
    """Return the revocation that was prepared in a file before; None if it was not, or something came in between."""
    held = read_held(fleet)
    try:
        change = changes.read_change(file)
        files = changes.role_files(change)
        current = all(metadata.version(files, role) == metadata.version(held, role) + 1 for role in files)
        return change if files and current and not still_trusted({**held, **files}, stolen) else None
    except (InputError, OSError):
        return None


def _following(held: dict[str, bytes], role: str, data: bytes) -> bytes:
    """Give metadata the version after the published one: several of its keys change in one version."""
    signed = metadata.read(data, role).signed
    signed.version = metadata.version(held, role) + 1
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
