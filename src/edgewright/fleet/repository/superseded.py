"""Removes published files that no device needs any more, so that folders do not grow with every signature.

Every root stays: a device that returns after a long time follows all root versions one by one and reads only the
newest version of all other metadata. A version that was replaced a week ago can matter only to an unfinished update,
which then starts again. Targets stay as long as signed metadata names them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Set
from itertools import chain, islice
from pathlib import Path

import msgspec

from edgewright.fleet.protocol.layout import DAY, LONGEST, RELEASES, ROLLOUTS, ROOT, SNAPSHOT
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Standings

KEPT = LONGEST[SNAPSHOT]
"""Seconds for which a version stays after its successor was signed."""
UNNAMED = LONGEST[RELEASES] + 10 * DAY
"""Seconds for which an unreferenced package or plan stays; a prepared change that names it expires earlier."""
_LEFT = DAY
"""Seconds for which the temporary file of a killed writer stays."""
_AT_ONCE = 2000
"""Largest number of files that one call removes, since the lock blocks publishing in the meantime."""
_VERSIONED = re.compile(r"([0-9]{1,10})\.([A-Za-z0-9_-]+)\.json")


def remove_superseded(fleet: Fleet, held: Mapping[str, bytes], waiting: Set[str], now: float) -> int:
    """Remove superseded files, at most `_AT_ONCE`, and return their number.

    No remaining file refers to a removed one. After a power cut the next call removes the rest.

    Args:
        fleet: locked by the caller, so that nobody publishes in the meantime.
        held: newest published metadata by role.
        waiting: targets of waiting changes, with the hash before the name.
        now: seconds since 1970.

    Raises:
        OSError: a file cannot be removed.
    """
    if fleet.settings.stick:
        return 0  # a repository for USB sticks has longer lifetimes
    found = chain(_versions(fleet, held, now), _targets(fleet, named_targets(held).keys() | waiting, now))
    gone = list(islice(found, _AT_ONCE))
    for folder in (fleet.metadata, fleet.targets, fleet.online, fleet.incoming):
        gone += [path for path in folder.rglob(".*.*") if path.is_file() and _age(path, now) > _LEFT]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _versions(fleet: Fleet, held: Mapping[str, bytes], now: float) -> Iterator[Path]:
    """Yield metadata files older than the current version whose successor was signed long enough ago."""
    found: dict[str, dict[int, Path]] = {}
    for path in fleet.metadata.iterdir():
        role, number = versioned(path.name)
        if role != ROOT and role in held:
            found.setdefault(role, {})[number] = path
    for role, paths in found.items():
        newest, long_ago = metadata.version(held, role), False
        for number in sorted(paths, reverse=True):
            if number < newest and long_ago:
                yield paths[number]
            elif number <= newest:
                long_ago = _signed(role, paths[number]) < now - KEPT


def versioned(name: str) -> tuple[str, int]:
    """Return role and version in the name of a metadata file; an empty role and 0 for other files."""
    named = _VERSIONED.fullmatch(name)
    return (named[2], int(named[1])) if named else ("", 0)


def _signed(role: str, path: Path) -> float:
    """Return the signing time of a metadata file by its own expiry; infinity if it cannot be read."""
    try:
        return metadata.signed_at(path.read_bytes(), role)
    except (OSError, InputError):
        return math.inf


def _targets(fleet: Fleet, named: Set[str], now: float) -> Iterator[Path]:
    """Yield targets that no metadata names."""
    for path in fleet.targets.rglob("*"):
        name = path.relative_to(fleet.targets).as_posix()
        if name in named or path.name.startswith(".") or not path.is_file():
            continue
        index = name.startswith(f"{ROLLOUTS}/")
        if (_issued(path) < now - KEPT - DAY) if index else (_age(path, now) > UNNAMED):
            yield path


def named_targets(held: Mapping[str, bytes]) -> dict[str, int]:
    """Return the paths of all signed targets, with the hash before the name, and their lengths in bytes."""
    named = metadata.named_targets(held)
    return {metadata.prefixed(path, file.hashes["sha256"]): file.length for path, file in named.items()}


def _issued(path: Path) -> float:
    """Return when standings were first signed; infinity if unreadable. They are replaced within a day."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standings).issued
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return math.inf


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
