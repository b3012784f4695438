"""Where the reader of a growing file is, so that another process finds it again: after rotation and truncation too.

A file is known by its bytes: the first ones, and the last ones before the place. Its inode only says which of several
files with these bytes comes first.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

_HEAD, _TAIL = 4096, 256
_READ = os.O_RDONLY | os.O_CLOEXEC
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".zip")


class FilePlace(msgspec.Struct, frozen=True):
    """A place in a file.

    Attributes:
        inode: device and number of the file.
        offset: bytes before the place, all of them read.
        head: digest of the first of these bytes.
        tail: digest of the last of these bytes.
        mtime: nanoseconds since 1970 of the last change of the file then; 0 where an older version wrote the place.
    """

    inode: tuple[int, int]
    offset: int
    head: str
    tail: str
    mtime: int = 0


class ReadBytes:
    """The first and the last bytes that were read of an open file, for the case that it is truncated.

    Args:
        handle: of the file.
        offset: bytes before where it is read on.
    """

    def __init__(self, handle: int, offset: int) -> None:
        self._head, self._tail = _head(handle, offset), _tail(handle, offset)

    def add(self, data: bytes) -> None:
        """Take what was read next."""
        self._head += data[: _HEAD - len(self._head)]
        self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]

    def position(self, handle: int, offset: int) -> FilePlace:
        """Return the place behind them."""
        status = os.fstat(handle)
        return FilePlace((status.st_dev, status.st_ino), offset, _digest(self._head), _digest(self._tail))


def place_in(handle: int, offset: int) -> FilePlace:
    """Return the place behind so many bytes of an open file."""
    position = ReadBytes(handle, offset).position(handle, offset)
    return msgspec.structs.replace(position, mtime=os.fstat(handle).st_mtime_ns)


def file_with(path: Path, position: FilePlace) -> int | None:
    """Open the file that holds the bytes before a place: of this name, or one beside it whose name begins so.

    Returns:
        Its handle, at the place; None where no file is left that holds them.
    """
    entries = sorted(
        _siblings(path, position), key=lambda entry: (entry.inode() != position.inode[1], entry.name != path.name)
    )
    holders: list[tuple[str, int]] = []
    for entry in entries:
        with suppress(OSError):
            handle = os.open(entry, _READ)
            if _holds(handle, position):
                holders.append((entry.name, handle))
            else:
                os.close(handle)
    chosen = holders[0][1] if holders else None
    if chosen is not None and holders[0][0] == path.name and position.mtime:
        # A file that was copied and truncated begins again with the same header: the copy has what was written since.
        later = [
            (os.fstat(handle_of).st_mtime_ns, handle_of)
            for _, handle_of in holders
            if not _begins_with(chosen, handle_of)
        ]
        chosen = min((pair for pair in later if pair[0] > position.mtime), default=(0, chosen))[1]
    for _, handle in holders:
        if handle != chosen:
            os.close(handle)
    if chosen is not None:
        os.lseek(chosen, position.offset, os.SEEK_SET)
    return chosen


def next_file(path: Path, handle: int) -> int | None:
    """Open the oldest file that took the name after an open one and gave it up before now; None where there is none."""
    old, newest = os.fstat(handle), -1
    later: list[tuple[int, int]] = []
    with suppress(OSError):
        newest = os.open(path, _READ)
    for entry in _siblings(path, None):
        if entry.name == path.name or entry.name.endswith(_COMPRESSED):
            continue
        with suppress(OSError):
            file = os.open(entry, _READ)
            changed = os.fstat(file).st_mtime_ns
            # A copy of either is none of them.
            if changed <= old.st_mtime_ns or any(_begins_with(other, file) for other in (handle, newest) if other >= 0):
                os.close(file)
            else:
                later.append((changed, file))
    later.sort()
    for _, file in later[1:]:
        os.close(file)
    if newest >= 0:
        os.close(newest)
    return later[0][1] if later else None


def ends_of(path: Path) -> str:
    """Return a digest of the first and the last bytes of a file; empty where it cannot be read."""
    with suppress(OSError), path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        return _digest(_head(file.fileno(), size)) + _digest(_tail(file.fileno(), size))
    return ""


def _siblings(path: Path, position: FilePlace | None) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                named = entry.name.startswith(path.name) or (
                    position is not None and entry.inode() == position.inode[1]
                )
                if named and entry.is_file():
                    yield entry
    except OSError:
        return


def _holds(handle: int, position: FilePlace) -> bool:
    return (
        os.fstat(handle).st_size >= position.offset
        and _digest(_head(handle, position.offset)) == position.head
        and _digest(_tail(handle, position.offset)) == position.tail
    )


def _begins_with(handle: int, beginning: int) -> bool:
    """Return whether a file begins with all bytes of another one, as far as its first and last bytes say."""
    return _holds(handle, place_in(beginning, os.fstat(beginning).st_size))


def _head(handle: int, offset: int) -> bytes:
    return os.pread(handle, min(offset, _HEAD), 0)


def _tail(handle: int, offset: int) -> bytes:
    return os.pread(handle, min(offset, _TAIL), max(0, offset - _TAIL))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
