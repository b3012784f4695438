"""Records what a program does to the files of a folder: SQLite through a VFS of apsw, plain files through `os`.

A plain file is looked at before each step: what changed in it since is noted as written and not yet durable, so that
several writes between two steps are one (which the model tears and reorders as it likes).
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import apsw
import numpy as np

from benchmarks.faults.model import Operation, above
from edgewright.device.store.database import Connection

_NAME = "edgewright-recorder"
# Kinds of files whose first sync makes SQLite sync the folder too (os_unix.c, UNIXFILE_DIRSYNC).
_WITH_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_BLOCK = 4096
# A file may change twice within a tick of the clock that stamps it: what is younger is read again.
_TICK_NS = 50_000_000
Seen: TypeAlias = tuple[tuple[int, ...], bytes]


class Recorder(apsw.VFS):
    """File operations, done and noted.

    Args:
        folder: whose files are followed.
        fatal: the process kills itself with signal 9 before this operation; never when negative.
        disk: bytes that the folder may hold; 0: as many as there are.
    """

    def __init__(self, folder: Path, fatal: int = -1, disk: int = 0) -> None:
        self.folder, self.disk = folder.resolve(), disk
        self.steps: list[Operation] = []
        self.told: Callable[[], object] = lambda: None
        """Called after every promise."""
        self.beside: Callable[[], None] | None = None
        """What another process does after a promise and before a renaming, where no transaction is written."""
        self._fatal = fatal
        self._databases: set[str] = set()
        self._seen: dict[str, Seen] = {}
        self._look(quiet=True)
        super().__init__(_NAME, "")

    def note(self, step: Operation) -> None:
        """Note a step and what changed in plain files before it, or dies before."""
        self._look()
        self._note(step)

    def promise(self, promise: Any) -> None:  # noqa: ANN401 - whatever the checker understands
        """Record what a user may rely on from now on."""
        self.note(Operation("mark", promise=promise))
        self.told()
        self._others()

    def name_of(self, path: Path | str) -> str | None:
        """Name within the folder ('' for the folder itself); None for what is not in it."""
        file_path = Path(os.path.abspath(path))  # noqa: PTH100 - a link is what it is
        if file_path == self.folder:
            return ""
        return str(file_path.relative_to(self.folder)) if file_path.is_relative_to(self.folder) else None

    def free(self) -> int:
        """Return bytes left on the disk."""
        used = 0
        for location, _, files in os.walk(self.folder):
            for file in files:
                if not file.endswith("-shm"):
                    used += -(-os.stat(f"{location}/{file}").st_size // _BLOCK) * _BLOCK  # noqa: PTH116 - at every write
        return max(0, self.disk - used)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: ANN401, N802 - apsw's names
        """Open a file."""
        path = Path(name.filename() if hasattr(name, "filename") else str(name))
        known = self.name_of(path) or path.name
        if flags[0] & apsw.SQLITE_OPEN_CREATE and not path.exists():
            self.note(Operation("create", known))
        elif known not in self._databases:
            self._look()  # created empty beforehand, with its mode
        self._databases.add(known)
        self._seen.pop(known, None)
        return _File(self, known, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Delete a file."""
        name = self.name_of(filename) or Path(filename).name
        self.forget(name)
        super().xDelete(filename, syncdir)
        if syncdir:
            self.note(Operation("folder", above(name)))

    def connect(self, path: Path, writable: bool) -> Connection:
        """As `device.store.database.connect`, recorded."""
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if writable else apsw.SQLITE_OPEN_READONLY
        connection = apsw.Connection(str(path), flags=flags, vfs=_NAME)
        connection.set_busy_timeout(1000)
        recorded_connection: Connection = connection
        return recorded_connection

    def renaming(self, old: str, new: str) -> None:
        """Before a renaming: what is known goes with the name."""
        self._others()
        self.note(Operation("rename", old, other=new))
        for name in [n for n in self._seen if n == old or n.startswith(f"{old}/")]:
            self._seen[new + name.removeprefix(old)] = self._seen.pop(name)
        if old in self._databases:
            self._databases.add(new)
            self._databases.discard(old)

    def forget(self, name: str) -> None:
        """Before a deletion."""
        self.note(Operation("delete", name))
        self._seen.pop(name, None)

    def _others(self) -> None:
        """Let other processes open, read and close the files between two steps.

        Raises:
            RuntimeError: they changed a file of a database that is open here.
        """
        if self.beside is None or any(c.txn_state() == apsw.SQLITE_TXN_WRITE for c in apsw.connections()):
            return
        before = self._shapes()
        self.beside()
        changed = [name for name, shape in self._shapes().items() if shape != before[name]]
        if changed:
            raise RuntimeError(f"a process that wrote nothing changed {', '.join(changed)}, which is open here")

    def _shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shapes of the files of databases; to open and close one here would drop the locks on it."""
        paths = {name: self.folder / name for name in sorted(self._databases)}
        shapes = {name: path.stat() if path.exists() else None for name, path in paths.items()}
        return {name: (s.st_ino, s.st_size, s.st_mtime_ns) if s else (0, 0, 0) for name, s in shapes.items()}

    def _note(self, step: Operation) -> None:
        if len(self.steps) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps.append(step)

    def _look(self, quiet: bool = False) -> None:
        note: Callable[[Operation], None] = (lambda step: None) if quiet else self._note
        entries = dict(self._plain(self.folder, ""))
        for name in [n for n in self._seen if n not in entries]:
            del self._seen[name]
            note(Operation("delete", name))
        for name, now in entries.items():
            before = self._seen.get(name)
            shape = (now.st_ino, now.st_size, now.st_mtime_ns)
            if before and before[0] == shape and time.time_ns() - now.st_mtime_ns > _TICK_NS:
                continue
            if stat.S_ISDIR(now.st_mode):
                if before is None:
                    note(Operation("folder-made", name))
                self._seen[name] = (shape, b"")
                continue
            content = (self.folder / name).read_bytes()
            self._seen[name] = (shape, content)
            if before is None:
                note(Operation("create", name))
            for step in changes(name, before[1] if before else b"", content):
                note(step)

    def _plain(self, folder: Path, above: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield names and shapes of folders and of files that are not SQLite's; links are not followed."""
        if not folder.is_dir():
            return
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            name = f"{above}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield name, entry.stat(follow_symlinks=False)
                yield from self._plain(folder / entry.name, f"{name}/")
            elif not entry.is_symlink() and name not in self._databases and not name.endswith("-shm"):
                yield name, entry.stat(follow_symlinks=False)


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, known: str, path: Path, name: Any, flags: list[int]) -> None:  # noqa: ANN401
        self._recorder, self._name, self._path = recorder, known, path
        self._folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _WITH_FOLDER)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._recorder.disk:
            more = offset + len(data) - self._path.stat().st_size
            if more > 0 and more > self._recorder.free():
                full = apsw.FullError("the disk is full")
                full.extendedresult = apsw.SQLITE_FULL  # type: ignore[attr-defined]
                raise full
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
            self._recorder.note(Operation("folder", above(self._name)))


def changes(name: str, before: bytes, after: bytes) -> Iterator[Operation]:
    """Yield steps that make a file's content of another: the shorter end cut off, what differs written."""
    if after == before:
        return
    if len(after) < len(before):
        yield Operation("truncate", name, len(after))
        before = before[: len(after)]
    differs = np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8, len(before))
    same = int(np.argmax(differs)) if differs.any() else len(before)
    if same < len(after):
        yield Operation("write", name, same, after[same:])


@contextmanager
def recorded(folder: Path, fatal: int = -1, disk: int = 0) -> Iterator[Recorder]:
    """Provide a recorder that hears this process's own file operations in the folder too."""
    recorder = Recorder(folder, fatal, disk)
    real = SimpleNamespace(**{name: getattr(os, name) for name in _replaced(recorder, SimpleNamespace())})
    try:
        for name, function in _replaced(recorder, real).items():
            setattr(os, name, function)
        yield recorder
    finally:
        for name, function in vars(real).items():
            setattr(os, name, function)
        recorder.unregister()


def _replaced(recorder: Recorder, real: SimpleNamespace) -> dict[str, Callable[..., Any]]:
    """Return functions of `os` that are heard, by name."""

    def fsync(handle: int) -> None:
        path = ""
        with suppress(OSError):
            path = str(Path(f"/proc/self/fd/{handle}").readlink())
        if path and (name := recorder.name_of(path)) is not None:
            recorder.note(Operation("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "sync", name))
        real.fsync(handle)

    def rename(old: Any, new: Any, **more: Any) -> None:  # noqa: ANN401 - as os.rename
        first, second = recorder.name_of(old), recorder.name_of(new)
        if first is not None and second is not None:
            recorder.renaming(first, second)
        real.replace(old, new, **more)

    def unlink(path: Any, **more: Any) -> None:  # noqa: ANN401 - as os.unlink
        name = recorder.name_of(path) if not more else None
        if name is not None and os.path.lexists(path):
            recorder.forget(name)
        real.unlink(path, **more)

    def statvfs(path: Any) -> Any:  # noqa: ANN401 - as os.statvfs
        if not recorder.disk or isinstance(path, int) or recorder.name_of(path) is None:
            return real.statvfs(path)
        return SimpleNamespace(f_bavail=recorder.free() // _BLOCK, f_frsize=_BLOCK, f_blocks=recorder.disk // _BLOCK)

    def posix_fallocate(handle: int, offset: int, length: int) -> None:
        if recorder.disk and offset + length - os.fstat(handle).st_size > recorder.free():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real.posix_fallocate(handle, offset, length)

    return {"fsync": fsync, "rename": rename, "replace": rename, "unlink": unlink, "remove": unlink,
            "statvfs": statvfs, "posix_fallocate": posix_fallocate}  # fmt: skip
