"""The few operations on whole files that the store needs beside SQLite, in one place, so that tests record them."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path
from typing import IO

from edgewright.core.errors import OutputError, StoreDamagedError
from edgewright.core.files import flush, lock, open_private, private_folder, sync


def rename(old: Path, new: Path) -> None:
    """Rename; durable only after `sync_folder`."""
    old.replace(new)


def remove(path: Path) -> None:
    """Remove a file if it is there; durable only after `sync_folder`."""
    path.unlink(missing_ok=True)


def replace(path: Path, data: bytes) -> None:
    """Write a file under another name, make it durable, and rename it, durably."""
    temporary = path.with_name(f"{path.name}.new")
    with open_private(temporary, "wb") as file:
        file.write(data)
        flush(file)
    rename(temporary, path)
    sync_folder(path.parent)


def replace_checked(path: Path, data: bytes) -> None:
    """Write a file as `replace`, with a checksum in its last line."""
    replace(path, data + b"\n" + hashlib.sha256(data).hexdigest().encode() + b"\n")


def read_checked(path: Path) -> bytes | None:
    """Return what `replace_checked` wrote; None where there is no such file, or a damaged one."""
    try:
        data, mark, end = path.read_bytes().rsplit(b"\n", 2)
    except (OSError, ValueError):
        return None
    return data if mark == hashlib.sha256(data).hexdigest().encode() and not end else None


def append(path: Path, data: bytes) -> None:
    """Append to a file and make that durable."""
    with open_private(path, "ab") as file:
        file.write(data)
        flush(file)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names durable: those that came, went and changed."""
    sync(folder)


def lock_folder(folder: Path, name: str, expected: str) -> IO[str]:
    """Make a folder and take a lock file in it for this process, until the file is closed or the process ends.

    Args:
        folder: of a store.
        name: name of the lock file.
        expected: in the error where another process has it.

    Raises:
        InputError: another process has it, or it is no folder.
        OutputError: it cannot be written.
    """
    try:
        private_folder(folder)
        handle = open_private(folder / name, "a")
    except (FileExistsError, NotADirectoryError):
        raise StoreDamagedError("a folder for the store", "a file", str(folder)) from None
    except OSError as error:
        do = "Name another one with --store, or make room"
        raise OutputError("a folder that can be written", error.strerror or str(error), str(folder), do) from error
    if not lock(handle):
        handle.close()
        do = "Stop the other `edgewright device run`, or name another folder"
        raise StoreDamagedError(expected, "one that is in use", str(folder), do)
    return handle


def largest_file() -> int | None:
    """Return bytes to which this process may let a file grow (`ulimit -f`, LimitFSIZE of a service); None for any."""
    (limit, _) = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit


def size(path: Path) -> int:
    """Return bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
