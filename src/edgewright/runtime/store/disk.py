"""The few operations on whole files that the store needs beside SQLite, in one place, so that tests record them."""

from __future__ import annotations

import os
from pathlib import Path


def rename(old: Path, new: Path) -> None:
    """Renames; durable only after `sync_folder`."""
    old.replace(new)


def remove(path: Path) -> None:
    """Removes a file if it is there; durable only after `sync_folder`."""
    path.unlink(missing_ok=True)


def append(path: Path, data: bytes) -> None:
    """Appends to a file and makes that durable."""
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes names durable: those that came, went and changed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
