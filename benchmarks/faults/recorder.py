"""Records what SQLite and the store do to files: a VFS of apsw, and the few operations of `runtime.store.disk`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from benchmarks.faults.model import Operation
from edgewright.runtime.store import disk
from edgewright.runtime.store.database import Connection

_NAME = "edgewright-recorder"
# Kinds of files whose first sync makes SQLite sync the folder too (os_unix.c, UNIXFILE_DIRSYNC).
_WITH_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


class Recorder(apsw.VFS):
    """SQLite's file operations, done and noted.

    Args:
        fatal: the process kills itself with signal 9 at this operation; never when negative.
    """

    def __init__(self, fatal: int = -1) -> None:
        self.steps: list[Operation] = []
        self._fatal = fatal
        super().__init__(_NAME, "")

    def note(self, step: Operation) -> None:
        """Notes a step, or dies before it."""
        if len(self.steps) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps.append(step)

    def promise(self, promise: Any) -> None:  # noqa: ANN401 - whatever the checker understands
        """What a program may rely on from now."""
        self.note(Operation("mark", promise=promise))

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: ANN401, N802 - apsw's names
        """Opens a file."""
        path = name.filename() if hasattr(name, "filename") else str(name)
        if flags[0] & apsw.SQLITE_OPEN_CREATE and not Path(path).exists():
            self.note(Operation("create", Path(path).name))
        return _File(self, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Deletes a file."""
        self.note(Operation("delete", Path(filename).name))
        super().xDelete(filename, syncdir)
        if syncdir:
            self.note(Operation("folder"))

    def connect(self, path: Path, writable: bool) -> Connection:
        """As `runtime.store.database.connect`, recorded."""
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if writable else apsw.SQLITE_OPEN_READONLY
        connection = apsw.Connection(str(path), flags=flags, vfs=_NAME)
        connection.set_busy_timeout(1000)
        found: Connection = connection
        return found


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, path: str, name: Any, flags: list[int]) -> None:  # noqa: ANN401
        self._recorder, self._name = recorder, Path(path).name
        self._folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _WITH_FOLDER)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._recorder.note(Operation("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._recorder.note(Operation("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._recorder.note(Operation("sync", self._name))
        super().xSync(flags)
        if self._folder:
            self._folder = False
            self._recorder.note(Operation("folder"))


@contextmanager
def recorded(fatal: int = -1) -> Iterator[Recorder]:
    """A recorder that hears the store's own file operations too."""
    recorder = Recorder(fatal)
    real = (disk.rename, disk.remove, disk.append, disk.sync_folder)

    def rename(old: Path, new: Path) -> None:
        recorder.note(Operation("rename", old.name, other=new.name))
        real[0](old, new)

    def remove(path: Path) -> None:
        if path.exists():
            recorder.note(Operation("delete", path.name))
        real[1](path)

    def append(path: Path, data: bytes) -> None:
        recorder.note(Operation("create", path.name))
        recorder.note(Operation("write", path.name, disk.size(path), data))
        recorder.note(Operation("sync", path.name))
        real[2](path, data)
        recorder.note(Operation("folder"))

    def sync_folder(folder: Path) -> None:
        recorder.note(Operation("folder"))
        real[3](folder)

    replaced = {"rename": rename, "remove": remove, "sync_folder": sync_folder}
    try:
        for name, function in replaced.items():
            setattr(disk, name, function)
        # `append` syncs the folder through the module: that one sync is noted there, not twice.
        disk.append = append
        yield recorder
    finally:
        disk.rename, disk.remove, disk.append, disk.sync_folder = real
        recorder.unregister()
