"""What lies in the served folder and should not, or does not and should: by hand, by a backup, by another tool.

Whoever may write the folder can make devices see other files. They believe none that is not signed, but find no update
where one is missing, and people do not know why.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from edgewright.fleet.protocol.layout import ROOT
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.superseded import named_targets, versioned

NAME = "files"
"""Under which the last look is kept in a plane's `extra`."""
KINDS = ("missing", "altered", "foreign")
AT_ONCE = 64 << 20
"""Bytes that are hashed in one look; those that changed since the last one come first."""
EVERY = 60.0
"""Seconds between two looks."""
MOST_LOGGED = 20
_Key = tuple[int, int, int]


class Wrong(msgspec.Struct, frozen=True, order=True):
    """A file that is not as it was signed.

    Attributes:
        kind: 'missing'; 'altered', other bytes than were signed; 'foreign', nothing that is signed leads to it.
        path: below the folder that is served.
    """

    kind: str
    path: str


class IntegrityScan:
    """Compares a served folder with what is signed, and remembers which files it has hashed.

    Args:
        fleet: whose folder.
        at_once: bytes that are hashed in one look.
    """

    def __init__(self, fleet: Fleet, at_once: int = AT_ONCE) -> None:
        self._fleet, self._at_once = fleet, at_once
        self._good: dict[str, _Key] = {}
        self._bad: dict[str, _Key] = {}

    def wrong(self, held: Mapping[str, bytes]) -> tuple[Wrong, ...]:
        """Return what is wrong, in order of kinds and names.

        Args:
            held: metadata by role that is published; the newest files of it are `Publisher`'s to keep.
        """
        named = named_targets(held)
        found = [*self._named(named), *self._others(named), *_metadata(self._fleet, held)]
        return tuple(sorted(found))

    def _named(self, named: Mapping[str, int]) -> Iterator[Wrong]:
        """Yield targets that are missing or have other bytes."""
        left = self._at_once
        unseen: list[tuple[bool, str, _Key]] = []
        for name, length in named.items():
            key = _key(self._fleet.targets / name)
            if key is None:
                yield Wrong("missing", f"targets/{name}")
            elif key[1] != length:
                yield Wrong("altered", f"targets/{name}")
            elif self._good.get(name) != key:
                unseen.append((name not in self._good, name, key))
        for _, name, key in sorted(unseen):
            if self._bad.get(name) != key:
                if left < 0:
                    break
                left -= key[1]
                good = _hash(self._fleet.targets / name) == name.rpartition("/")[2].partition(".")[0]
                (self._good if good else self._bad)[name] = key
            if self._bad.get(name) == key:
                yield Wrong("altered", f"targets/{name}")

    def _others(self, named: Mapping[str, int]) -> Iterator[Wrong]:
        """Targets whose name does not begin with the hash of their bytes: no change that was prepared leaves such."""
        for path in _files(self._fleet.targets):
            name = path.relative_to(self._fleet.targets).as_posix()
            if name in named or self._good.get(name) == (key := _key(path)) or key is None:
                continue
            text = path.name.partition(".")[0]
            if len(text) == 64 and self._bad.get(name) != key:
                if key[1] > self._at_once:
                    continue  # too large to be read for this alone
                if _hash(path) == text:
                    self._good[name] = key
                    continue
            self._bad[name] = key
            yield Wrong("foreign", f"targets/{name}")


def _metadata(fleet: Fleet, held: Mapping[str, bytes]) -> Iterator[Wrong]:
    """Metadata of no role of this fleet, or of a version that was never published."""
    newest = {role: metadata.version(held, role) for role in held}
    for path in _files(fleet.metadata):
        role, number = versioned(path.name)
        if path.name in ("timestamp.json", f"{ROOT}.json") or (role in newest and number <= newest[role]):
            continue
        yield Wrong("foreign", f"metadata/{path.name}")


def _files(folder: Path) -> Iterator[Path]:
    """Return files that a web server would serve; those of writers begin with a dot."""
    return (path for path in sorted(folder.rglob("*")) if not path.name.startswith(".") and not path.is_dir())


def _key(path: Path) -> _Key | None:
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""
