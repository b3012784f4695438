"""A disk that keeps what was flushed and may do anything with the rest: drop, reorder and tear it.

The model: a file's bytes are durable once the file was synced; a name (of a file or folder that came, went or was
renamed) once its own folder was synced, and it is there only if that folder is. Of what was not, a power cut leaves any
part: single sectors of 512 bytes in any order, a write torn at a sector, and a first part of the changes of names, as
journalling file systems keep those in order.
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
    """One step: create, folder-made, write, truncate, sync, delete, rename, folder (its sync) or mark (a promise).

    Names are within the folder that is followed; '' is that folder itself.
    """

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


@dataclass(frozen=True)
class _Change:
    """Of a name: it came (a place), went (None), or was `old` before."""

    name: str
    place: int | None
    old: str = ""

    def of(self, folder: str) -> bool:
        """Return whether the sync of this folder makes it durable; a renaming's halves come together."""
        return folder in {above(self.name), above(self.old) if self.old else above(self.name)}

    def within(self, old: str, new: str) -> _Change:
        """Return the same after a folder above got another name."""
        return _Change(_moved(self.name, old, new), self.place, _moved(self.old, old, new))


_FOLDER = -1


class Disk:
    """The state after some operations.

    Args:
        start: durable files by name.
    """

    def __init__(self, start: dict[str, bytes]) -> None:
        self._files: list[_File] = [_File(content) for content in start.values()]
        self._durable = {name: index for index, name in enumerate(start)}
        for name in start:
            self._durable |= dict.fromkeys(_folders(name), _FOLDER)
        self._names = dict(self._durable)
        self._changes: list[_Change] = []
        self.promise: Any = None

    def apply(self, step: Operation) -> None:
        """One step further."""
        if step.what == "mark":
            self.promise = step.promise
        elif step.what == "folder-made":
            self._change(_Change(step.name, _FOLDER))
        elif step.what == "create":
            if step.name not in self._names:
                self._files.append(_File())
                self._change(_Change(step.name, len(self._files) - 1))
        elif step.what == "delete":
            self._change(_Change(step.name, None))
        elif step.what == "rename":
            self._change(_Change(step.other, self._names[step.name], step.name))
        elif step.what == "folder":
            self._sync(step.name)
        else:
            self._content(self._files[self._names[step.name]], step)

    def pending(self) -> bool:
        """Return whether a power cut could take anything."""
        return bool(self._changes) or any(
            self._files[number].pending for number in self._names.values() if number != _FOLDER
        )

    def after_cut(self, way: Way, chance: random.Random) -> dict[str, bytes]:
        """Return files as a power cut may leave them; those of a folder whose own name is gone are gone."""
        names = dict(self._durable)
        kept = {"dropped": 0, "kept": len(self._changes)}.get(way, chance.randint(0, len(self._changes)))
        for change in self._changes[:kept]:
            _carry_out(names, change)
        return {
            name: _cut(self._files[number], way, chance)
            for name, number in names.items()
            if number != _FOLDER and all(names.get(folder) == _FOLDER for folder in _folders(name))
        }

    def _change(self, change: _Change) -> None:
        _carry_out(self._names, change)
        self._changes.append(change)

    def _sync(self, folder: str) -> None:
        waiting: list[_Change] = []
        for change in self._changes:
            if not change.of(folder):
                waiting.append(change)
                continue
            _carry_out(self._durable, change)
            if change.old and change.place == _FOLDER:
                waiting = [earlier.within(change.old, change.name) for earlier in waiting]
        self._changes = waiting

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


def above(name: str) -> str:
    """Return the folder of a name; '' is the outermost."""
    return name.rpartition("/")[0]


def _folders(name: str) -> list[str]:
    """All folders above a name."""
    return [name[:index] for index, letter in enumerate(name) if letter == "/"]


def _moved(name: str, old: str, new: str) -> str:
    return new + name[len(old) :] if name == old or name.startswith(f"{old}/") else name


def _carry_out(names: dict[str, int], change: _Change) -> None:
    if change.place is None:
        for name in [name for name in names if _moved(name, change.name, "") != name]:
            del names[name]
        return
    if change.old:
        # Whatever bore the new name is replaced; what lies in a folder goes with it.
        for name in [name for name in names if _moved(name, change.old, change.name) != name]:
            names[_moved(name, change.old, change.name)] = names.pop(name)
    names[change.name] = change.place


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
    """Write files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
