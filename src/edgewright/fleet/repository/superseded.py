"""Published files that no device may need any more: removed, so that a folder does not grow with every signature.

Every root stays, since a device that comes back after thirteen months and twelve roots follows them one by one; of all
else it reads the newest. What was followed by another version a week ago was read by a device at most in the middle of
an update, which begins anew. Targets stay for as long as signed metadata names them.
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
"""Seconds for which a version stays after the next one, by the times that they were signed at."""
UNNAMED = LONGEST[RELEASES] + 10 * DAY
"""Seconds for which a package or plan stays that nothing signed names: a change that was prepared expires before."""
_LEFT = DAY
"""Seconds for which a file stays that a writer was killed at."""
_AT_ONCE = 2000
"""Files that one call removes: nobody else publishes meanwhile."""
_VERSIONED = re.compile(r"([0-9]{1,10})\.([A-Za-z0-9_-]+)\.json")


def remove_superseded(fleet: Fleet, held: Mapping[str, bytes], waiting: Set[str], now: float) -> int:
    """Remove some of them; how many files.

    A power cut at any moment leaves some that the next call removes: nothing that is removed is named by what stays.

    Args:
        fleet: locked by the caller, so that nobody publishes meanwhile.
        held: metadata by role that is published and the newest there is.
        waiting: targets of changes that wait, the hash before the name.
        now: seconds since 1970.

    Raises:
        OSError: a file cannot be removed.
    """
    if fleet.settings.stick:
        return 0  # each is a repository of its own, whose signatures hold for longer
    found = chain(_versions(fleet, held, now), _targets(fleet, named_targets(held).keys() | waiting, now))
    gone = list(islice(found, _AT_ONCE))
    for folder in (fleet.metadata, fleet.targets, fleet.online, fleet.incoming):
        gone += [path for path in folder.rglob(".*.*") if path.is_file() and _age(path, now) > _LEFT]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _versions(fleet: Fleet, held: Mapping[str, bytes], now: float) -> Iterator[Path]:
    """Metadata below the version that holds, where the version after it was signed long enough ago."""
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
    """Role and version in the name of a file of metadata; nothing and 0 where it is none."""
    named = _VERSIONED.fullmatch(name)
    return (named[2], int(named[1])) if named else ("", 0)


def _signed(role: str, path: Path) -> float:
    """When a file of metadata was signed, by what it says itself; what cannot be read is as new as can be."""
    try:
        return metadata.signed_at(path.read_bytes(), role)
    except (OSError, InputError):
        return math.inf


def _targets(fleet: Fleet, named: Set[str], now: float) -> Iterator[Path]:
    """Yield targets that nobody names."""
    for path in fleet.targets.rglob("*"):
        name = path.relative_to(fleet.targets).as_posix()
        if name in named or path.name.startswith(".") or not path.is_file():
            continue
        index = name.startswith(f"{ROLLOUTS}/")
        if (_issued(path) < now - KEPT - DAY) if index else (_age(path, now) > UNNAMED):
            yield path


def named_targets(held: Mapping[str, bytes]) -> dict[str, int]:
    """Return paths of all targets that signed metadata names, the hash before the name, with their lengths in bytes."""
    named = metadata.named_targets(held)
    return {metadata.prefixed(path, file.hashes["sha256"]): file.length for path, file in named.items()}


def _issued(path: Path) -> float:
    """When standings were signed first; they held for a day at most before others followed."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standings).issued
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return math.inf


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
