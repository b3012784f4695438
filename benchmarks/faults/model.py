"""A disk that keeps what was flushed and may do anything with the rest: drop, reorder and tear it.

The model: a file's bytes are durable once the file was synced; a name (of a file that came, went or was renamed) once
its folder was synced. Of what was not, a power cut leaves any part: single sectors of 512 bytes in any order, a write
torn at a sector, and a first part of the changes of names, as journalling file systems keep those in order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

SECTOR = 512
Way = Literal["dropped", "kept", "reordered", "torn"]
WAYS: tuple[Way, ...] = ("dropped", "kept", "reordered", "torn")


@dataclass(frozen=True)
class Operation:
    """One step: create, write, truncate, sync, delete, rename, folder (its sync), or mark (a promise made)."""

    what: str
    name: str = ""
    offset: int = 0
    data: bytes = b""
    other: str = ""
    promise: Any = None


@dataclass
class _File:
    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, bytes), or (length, None) for a truncation."""


class Disk:
    """The state after some operations.

    Args:
        start: durable files by name.
    """

    def __init__(self, start: dict[str, bytes]) -> None:
        self._files: list[_File] = [_File(content) for content in start.values()]
        self._durable = {name: place for place, name in enumerate(start)}
        self._names = dict(self._durable)
        self._changes: list[tuple[str, int | None]] = []
        self.promise: Any = None

    def apply(self, step: Operation) -> None:
        """One step further."""
        if step.what == "mark":
            self.promise = step.promise
        elif step.what == "create":
            if step.name not in self._names:
                self._files.append(_File())
                self._name(step.name, len(self._files) - 1)
        elif step.what == "delete":
            self._name(step.name, None)
        elif step.what == "rename":
            place = self._names[step.name]
            self._name(step.other, place)
            self._name(step.name, None)
            # Both halves of a renaming happen together.
            self._changes[-2:] = [(f"{step.name}\0{step.other}", place)]
        elif step.what == "folder":
            self._durable, self._changes = dict(self._names), []
        else:
            self._content(self._files[self._names[step.name]], step)

    def pending(self) -> bool:
        """Whether a power cut could take anything."""
        return bool(self._changes) or any(self._files[place].pending for place in self._names.values())

    def after_cut(self, way: Way, chance: random.Random) -> dict[str, bytes]:
        """Files as a power cut may leave them."""
        names = dict(self._durable)
        kept = {"dropped": 0, "kept": len(self._changes)}.get(way, chance.randint(0, len(self._changes)))
        for name, place in self._changes[:kept]:
            old, _, new = name.partition("\0")
            if new:
                names.pop(old, None)
            if place is None:
                names.pop(old, None)
            else:
                names[new or old] = place
        return {name: _cut(self._files[place], way, chance) for name, place in names.items()}

    def _name(self, name: str, place: int | None) -> None:
        if place is None:
            self._names.pop(name, None)
        else:
            self._names[name] = place
        self._changes.append((name, place))

    @staticmethod
    def _content(file: _File, step: Operation) -> None:
        if step.what == "sync":
            file.durable, file.pending = _with(file.durable, file.pending), []
        elif step.what == "truncate":
            file.pending.append((step.offset, None))
        else:
            file.pending.append((step.offset, step.data))


def _cut(file: _File, way: Way, chance: random.Random) -> bytes:
    if way == "dropped" or not file.pending:
        return file.durable
    if way == "kept":
        return _with(file.durable, file.pending)
    if way == "torn":
        upto = chance.randrange(len(file.pending))
        offset, data = file.pending[upto]
        if data is None:
            return _with(file.durable, file.pending[:upto])
        whole = chance.randint(0, len(data) // SECTOR) * SECTOR
        return _with(file.durable, [*file.pending[:upto], (offset, data[:whole])])
    sectors = [part for write in file.pending for part in _sectors(*write)]
    return _with(file.durable, [part for part in sectors if chance.random() < 0.5])


def _sectors(offset: int, data: bytes | None) -> list[tuple[int, bytes | None]]:
    if data is None:
        return [(offset, None)]
    edges = [0, *range(SECTOR - offset % SECTOR, len(data), SECTOR), len(data)]
    return [(offset + a, data[a:b]) for a, b in pairwise(edges) if b > a]


def _with(content: bytes, writes: Sequence[tuple[int, bytes | None]]) -> bytes:
    now = bytearray(content)
    for offset, data in writes:
        if data is None:
            del now[offset:]
            continue
        if len(now) < offset:
            now.extend(bytes(offset - len(now)))
        now[offset : offset + len(data)] = data
    return bytes(now)


def lay(files: dict[str, bytes], folder: Path) -> None:
    """Writes files into a new folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
