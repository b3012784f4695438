"""Notices that the open files of a SQLite database are no longer the ones on the disk.

A process that writes into a file that was removed or replaced loses what it stores. The files are compared by path
alone: opening and closing the file of a database would drop all locks of this process on it (POSIX).
"""

from __future__ import annotations

import os
from pathlib import Path

from edgewright.core.files import INDEX, LOG


class HeldFiles:
    """The files of a database as they are now: the database, its write-ahead log and the log's index.

    Args:
        path: of the database, of which a connection is open that has read in WAL mode and stays open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._files = {file: _identity(file) for file in (f"{self.path}{side}" for side in ("", LOG, INDEX))}

    def gone(self) -> str:
        """Return which file was removed or replaced since; empty if all are as they were, or cannot be looked at."""
        for file, identity in self._files.items():
            if (present := _identity(file)) != identity and present != _UNKNOWN and identity != _UNKNOWN:
                return f"{os.path.basename(file)} was {'replaced' if present else 'removed'} while it is in use"  # noqa: PTH119 - a text
        return ""


_UNKNOWN = (-1, -1)


def _identity(file: str) -> tuple[int, int] | None:
    """Return device and inode; None for a file that is not there."""
    try:
        status = os.stat(file)  # noqa: PTH116 - a text, three times a commit
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # such as a folder whose permissions changed: open files stay as they are
        return _UNKNOWN
    return status.st_dev, status.st_ino
