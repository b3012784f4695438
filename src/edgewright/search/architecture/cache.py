"""Cache of computed arrays in memory and on disk, each with a size limit."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
MEMORY_BYTES = 512 * 2**20
DISK_BYTES = 2 * 2**30


class ArrayCache:
    """Cache of float32 arrays by key that drops the least recently used arrays first.

    Args:
        folder: folder on disk, shared by processes; None caches in memory only.
        memory: maximum size in memory in bytes; a single array may be larger.
        disk: maximum size on disk in bytes.
    """

    def __init__(self, folder: Path | None = None, memory: int = MEMORY_BYTES, disk: int = DISK_BYTES) -> None:
        self.folder, self.memory, self.disk = folder, memory, disk
        self._held: OrderedDict[str, Floats] = OrderedDict()
        self.made = 0

    def get(self, key: object, make: Callable[[], Floats]) -> Floats:
        """Return the array of a key (any value that msgspec can encode); compute it if it is not cached."""
        name = digest(key)
        found = self._held.get(name)
        if found is None:
            found = self._read(name)
            if found is None:
                found = np.ascontiguousarray(make(), np.float32)
                self.made += 1
                self._write(name, found)
            self._held[name] = found
            while len(self._held) > 1 and sum(array.nbytes for array in self._held.values()) > self.memory:
                self._held.popitem(last=False)
        self._held.move_to_end(name)
        return found

    def _read(self, name: str) -> Floats | None:
        if self.folder is None:
            return None
        path = self.folder / f"{name}.npy"
        try:
            array: Floats = np.load(path, allow_pickle=False)
            os.utime(path)
        except (OSError, ValueError, EOFError):
            return None
        return array

    def _write(self, name: str, array: Floats) -> None:
        """Write an array to disk where it fits; a failed write is ignored, because the cache only saves time."""
        if self.folder is None or array.nbytes > self.disk:
            return
        temporary = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(array.nbytes)
            handle, temporary = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                np.save(file, array, allow_pickle=False)
            Path(temporary).replace(self.folder / f"{name}.npy")
        except OSError:
            if temporary:
                Path(temporary).unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> None:
        found = []
        for path in (self.folder or Path()).iterdir():
            try:
                about = path.stat()
            except OSError:  # another process has deleted the file
                continue
            found.append((about.st_mtime, about.st_size, path))
        total = sum(size for _, size, _ in found) + wanted
        for _, size, path in sorted(found):
            if total <= self.disk:
                return
            path.unlink(missing_ok=True)
            total -= size


def digest(key: object) -> str:
    """Return a hash of a key that is the same in every process."""
    return hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:40]


def state_digest(state: object) -> str:
    """Return a hash of the fitted state of a stage: arrays by their bytes, other values by their repr."""
    found = hashlib.sha256()
    _add(found, state)
    return found.hexdigest()[:40]


def _add(found: hashlib._Hash, value: object) -> None:
    if isinstance(value, np.ndarray):
        found.update(f"{value.dtype.str}{value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes() if value.dtype != object else repr(value.tolist()).encode())
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            found.update(f"k{key}".encode())
            _add(found, value[key])
    elif isinstance(value, list | tuple):
        found.update(f"l{len(value)}".encode())
        for entry in value:
            _add(found, entry)
    else:
        found.update(repr(value).encode())
