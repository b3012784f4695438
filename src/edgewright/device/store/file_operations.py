"""The few operations on whole files that the store needs beside SQLite, in one place, so that tests record them."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from edgewright.core.files import open_private


def rename(old: Path, new: Path) -> None:
    """Rename; durable only after `sync_folder`."""
    old.replace(new)


def remove(path: Path) -> None:
    """Remove a file if it is there; durable only after `sync_folder`."""
    path.unlink(missing_ok=True)


def append(path: Path, data: bytes) -> None:
    """Append to a file and make that durable."""
    with open_private(path, "ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names durable: those that came, went and changed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
