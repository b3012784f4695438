"""A SQLite file: how it is opened, transactions, and what went wrong when something did."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from edgewright.core.files import private_database
from edgewright.core.read_only_database import connect_read_only

Trouble = Literal["full", "corrupt", "readonly", "busy", "other"]
# Extended codes of sqlite3.h: what a write, a growing shared memory, a sync or a truncation says on a full disk.
_FULL = {778, 1034, 1546, 4874, 5642}
_PRIMARY: dict[int, Trouble] = {13: "full", 11: "corrupt", 26: "corrupt", 8: "readonly", 14: "readonly", 5: "busy"}
_BUSY_SECONDS = 10.0


class Connection(Protocol):
    """What is used of a connection; that of the standard library and that of apsw both have it."""

    def execute(self, sql: str, arguments: Any = ..., /) -> Any:  # noqa: ANN401 - cursors differ by library
        """Run a statement."""

    def close(self) -> None:
        """Close it."""


Connect = Callable[[Path, bool], Connection]
"""(file, whether it is written) -> an open connection that commits nothing by itself."""


def connect(path: Path, writable: bool) -> Connection:
    """Return a connection of the standard library; the file is made where it is absent and written.

    Reading changes no file (`core.read_only_database`).
    """
    if not writable:
        return connect_read_only(path, check_same_thread=False)
    private_database(path)
    return sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)


def memory() -> Connection:
    """Return an empty database in memory."""
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def trouble(error: Exception) -> Trouble:
    """Return what a database's error means, whichever library raised it."""
    code = getattr(error, "sqlite_errorcode", None) or getattr(error, "extendedresult", None) or 0
    if code in _FULL:
        return "full"
    return _PRIMARY.get(int(code) & 0xFF, "other")


class Database:
    """One file with one connection; every statement is finished before the next begins."""

    def __init__(self, path: Path, opener: Connect = connect, writable: bool = True) -> None:
        self.path, self.opener, self.writable = path, opener, writable
        self._connection = opener(path, writable)

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and give all its rows; ask for a bounded number."""
        rows: list[tuple[Any, ...]] = self._connection.execute(sql, tuple(arguments)).fetchall()
        return rows

    def value(self, sql: str, arguments: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - any value of a cell
        """Return the first cell, None where there is no row."""
        rows = self.execute(sql, arguments)
        return rows[0][0] if rows else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it is durable at the end, or nothing was done."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself where the disk is full.
            with suppress(Exception):
                self.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the connection; nothing is checked."""
        self._connection.close()
