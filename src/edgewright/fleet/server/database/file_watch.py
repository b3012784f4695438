"""Watches the files of an open SQLite database, and saves what this process has of them when they are gone."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from edgewright.core.files import HeldFiles, private_database, sync
from edgewright.fleet.server import log
from edgewright.fleet.server.background import repeat

_EVERY_S = 1.0
_RESCUED = 4
"""Largest number of rescued copies in a folder: what removes files again and again must not fill the disk."""
_DO = "stop this server, see what removed or replaced it, and restore: edgewright fleet restore --backup FILE"


class WatchedFiles:
    """The files of a database as they were opened.

    An own connection stays open, so that no other connection may remove the write-ahead log and its index.

    Args:
        path: path of the database, which exists in WAL mode.
    """

    def __init__(self, path: Path) -> None:
        self._rescued: Path | None = None
        self._connection = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
        try:
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # opens the log and its index
            self._files = HeldFiles(path)
        except BaseException:
            self._connection.close()
            raise

    def gone(self) -> str:
        """Return which file was removed or replaced, and what to do; empty if all are as they were."""
        why = self._files.gone()
        return why and f"{why}: {_DO}"

    def rescue(self) -> Path:
        """Copy what this process has, the removed log included, into a new file of the folder and return its path.

        It replaces an earlier copy of this process, which has less. The disk keeps half of its room.

        Raises:
            OSError: the folder is gone, the disk failed or has too little room, or too many copies are there.
            sqlite3.Error: the files that are left are of different states.
        """
        folder, before = self._files.path.parent, self._rescued
        target = folder / time.strftime("rescued-%Y%m%dT%H%M%SZ.sqlite", time.gmtime())
        if len(set(folder.glob("rescued-*.sqlite")) - {before}) >= _RESCUED:
            raise OSError(f"{_RESCUED} rescued copies are in {folder}: move them away")
        ((size,),) = self._connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        if 2 * size > (free := shutil.disk_usage(folder).free):
            raise OSError(f"a copy of {size:,} bytes needs twice as much room, {free:,} bytes are free")
        partial = folder / ".rescued.partial"
        partial.unlink(missing_ok=True)
        private_database(partial)
        try:
            with contextlib.closing(sqlite3.connect(partial)) as copy:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE").close()
                (problem,) = copy.execute("PRAGMA quick_check(1)").fetchone()
                if problem != "ok":
                    raise sqlite3.DatabaseError(problem)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        sync(folder)
        if before is not None and before != target:
            before.unlink(missing_ok=True)
        self._rescued = target
        return target

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def start(files: WatchedFiles | None) -> Callable[[], None]:
    """Look each second, log a loss and its end, and save what the server has; what is returned stops it."""
    lost = ""
    if files is None:
        return lambda: None

    def look() -> None:
        nonlocal lost
        before, lost = lost, files.gone()
        if lost and not before:
            log.line("error", "database.gone", why=lost)
            try:
                log.line("warning", "database.rescued", file=str(files.rescue()))
            except (OSError, sqlite3.Error) as error:
                log.line("error", "database.rescued", file="", why=str(error))
        elif before and not lost:
            log.line("info", "database.back")

    return repeat("files", _EVERY_S, look)
