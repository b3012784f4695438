"""The SQLite-specific parts of the control plane: opening files, transactions, and copying a live database."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edgewright.core.files import private_database
from edgewright.core.read_only_database import connect_read_only, read_unchanged
from edgewright.schema.errors import InputError, OutputError

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


def backup(source: Path, target: Path) -> int:
    """Copy a consistent snapshot of a database, even during writes; return the copy's size in bytes.

    Raises:
        InputError: there is no database, or the target exists.
        OutputError: the copy failed; no files remain.
    """
    if not source.is_file():
        raise InputError("a fleet's database", "none", str(source))
    if target.exists():
        raise InputError("a file that does not exist yet", "one that is", str(target), "Name another")
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
