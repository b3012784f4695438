"""Finds files in the served folder that are missing, altered or unexpected, for example after a manual change.

Devices reject unsigned files, so a wrong file is not dangerous, but they get no update while a file is missing. This
scan tells operators why.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from edgewright.fleet.protocol.layout import ROOT
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.acceptance import named_targets, versioned
from edgewright.fleet.repository.folder import Fleet

NAME = "files"
"""Key of the last result in the `extra` of a control plane."""
KINDS = ("missing", "altered", "foreign")
AT_ONCE = 64 << 20
"""Largest number of bytes that one scan hashes; changed files come first."""
EVERY = 60.0
"""Seconds between two scans."""
MOST_LOGGED = 20
_Key = tuple[int, int, int]


class Wrong(msgspec.Struct, frozen=True, order=True):
    """A file that differs from the signed state.

    Attributes:
        kind: 'missing', 'altered' (bytes differ from the signed ones) or 'foreign' (not in any signed metadata).
        path: path below the served folder.
    """

    kind: str
    path: str


class IntegrityScan:
    """Compares a served folder with the signed metadata and remembers the hashed files.

    Args:
        fleet: fleet whose folder is scanned.
        at_once: largest number of bytes that one scan hashes.
    """

    def __init__(self, fleet: Fleet, at_once: int = AT_ONCE) -> None:
        self._fleet, self._at_once = fleet, at_once
        self._good: dict[str, _Key] = {}
        self._bad: dict[str, _Key] = {}

    def wrong(self, role_files: Mapping[str, bytes]) -> tuple[Wrong, ...]:
        """Return the wrong files, sorted by kind and name."""
        named = named_targets(role_files)
        problems = [*self._named(named), *self._others(named), *_metadata(self._fleet, role_files)]
        return tuple(sorted(problems))

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
        """Yield targets whose name does not start with the hash of their bytes, which no prepared change creates."""
        for path in _files(self._fleet.targets):
            name = path.relative_to(self._fleet.targets).as_posix()
            if name in named or self._good.get(name) == (key := _key(path)) or key is None:
                continue
            text = path.name.partition(".")[0]
            if len(text) == 64 and self._bad.get(name) != key:
                if key[1] > self._at_once:
                    continue  # too large to hash
                if _hash(path) == text:
                    self._good[name] = key
                    continue
            self._bad[name] = key
            yield Wrong("foreign", f"targets/{name}")


def _metadata(fleet: Fleet, role_files: Mapping[str, bytes]) -> Iterator[Wrong]:
    """Yield metadata files of unknown roles or of versions that were never published."""
    newest = {role: metadata.version(role_files, role) for role in role_files}
    for path in _files(fleet.metadata):
        role, number = versioned(path.name)
        if path.name in ("timestamp.json", f"{ROOT}.json") or (role in newest and number <= newest[role]):
            continue
        yield Wrong("foreign", f"metadata/{path.name}")


def _files(folder: Path) -> Iterator[Path]:
    """Return the files that a web server would serve; temporary files start with a dot."""
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
