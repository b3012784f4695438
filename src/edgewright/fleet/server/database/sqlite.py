"""The SQLite-specific parts of the control plane: opening files, transactions, and copying a live database."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edgewright.core.errors import ExistingFileError, FleetDatabaseError, OutputError
from edgewright.core.files import HeldFiles, private_database, sync
from edgewright.core.read_only_database import connect_read_only, read_unchanged
from edgewright.fleet.server import background
from edgewright.fleet.server.background import repeat

NAME = "fleet.sqlite"
_PATIENCE_MS = 10_000
"""Milliseconds for which a writer waits for another process's transaction."""
_PAGES = 1024


def engine(path: Path, *, reading: bool) -> sa.Engine:
    """Create an engine for a file, which is created if necessary, except for reading.

    With WAL and `synchronous=FULL` a commit is on the disk before it returns (docs/adr/0030-control-plane.md). Write
    transactions take the lock at their beginning, so that none fails halfway because of another writer.
    """
    if not reading:
        private_database(path)
    built = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 10.0})
    return _set_up(built, "journal_mode=WAL", "synchronous=FULL", reading=reading)


def read_only_engine(path: Path) -> sa.Engine:
    """Create an engine that reads a file beside its writers and changes no file.

    Each transaction has a connection of its own, since a server may start or stop in between.
    """

    def connect() -> sqlite3.Connection:
        return connect_read_only(path, check_same_thread=False)

    return _set_up(sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool), reading=True)


def memory_engine() -> sa.Engine:
    """Create an engine for an empty database in memory."""
    options: Any = {"connect_args": {"check_same_thread": False}, "poolclass": sa.StaticPool}
    return _set_up(sa.create_engine("sqlite://", **options), reading=False)


def _set_up(built: sa.Engine, *pragmas: str, reading: bool) -> sa.Engine:
    @sa.event.listens_for(built, "connect")
    def connected(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # the listener below sends BEGIN
        for pragma in (
            f"busy_timeout={_PATIENCE_MS}", *pragmas, "foreign_keys=ON", "cache_size=-65536", "trusted_schema=OFF",
            *(("query_only=ON",) if reading else ()),
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(built, "begin")
    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return built


def copy_file(source: Path, target: Path) -> int:
    """Copy a consistent snapshot of a database, even during writes; return the copy's size in bytes.

    Raises:
        InputError: there is no database, or the target exists.
        OutputError: the copy failed; no files remain.
    """
    if not source.is_file():
        raise FleetDatabaseError("a fleet's database", "none", str(source))
    if target.exists():
        raise ExistingFileError("a file that does not exist yet", "one that is", str(target), "Name another")
    partial = target.with_name(f".{target.name}.partial")
    try:
        private_database(partial)
        read_unchanged(source, lambda: _copy(source, partial))
        partial.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise OutputError("to copy the database", str(error), str(target), "Free some space") from None
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(connect_read_only(source)) as live,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        copy.execute("PRAGMA synchronous=FULL")
        live.backup(copy, pages=_PAGES, sleep=0.0)
        copy.execute("PRAGMA journal_mode=DELETE").close()


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
            background.line("error", "database.gone", why=lost)
            try:
                background.line("warning", "database.rescued", file=str(files.rescue()))
            except (OSError, sqlite3.Error) as error:
                background.line("error", "database.rescued", file="", why=str(error))
        elif before and not lost:
            background.line("info", "database.back")

    return repeat("files", _EVERY_S, look)
