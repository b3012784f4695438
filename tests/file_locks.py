"""POSIX locks of a process on a file, as Linux lists them."""

from __future__ import annotations

import os
from pathlib import Path


def locks(process: int, path: Path) -> set[str]:
    """Return the locks, each as 'READ first last'."""
    # linux/fs/locks.c: "1: POSIX  ADVISORY  READ 4242 fe:00:1234 first last", with the device in hexadecimal.
    status = path.stat()
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    rows = (line.split() for line in Path("/proc/locks").read_text("ascii").splitlines())
    return {f"{row[3]} {row[6]} {row[7]}" for row in rows if row[1] == "POSIX" and row[4:6] == [str(process), file]}
