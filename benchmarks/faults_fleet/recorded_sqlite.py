"""SQLAlchemy over connections of a recorder: as much of the standard library's `sqlite3` as the control plane uses."""
# ruff: noqa: D102 - methods of PEP 249

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import sqlalchemy as sa

from edgewright.device.store.database import Connect

_ERRORS: tuple[tuple[type[apsw.Error], type[sqlite3.Error]], ...] = (
    (apsw.ConstraintError, sqlite3.IntegrityError),
    (apsw.Error, sqlite3.OperationalError),
)


class Connection:
    """One connection, which commits nothing by itself.

    Args:
        found: of apsw.
    """

    isolation_level = None

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - apsw's connection
        self.found = connection

    def cursor(self) -> Cursor:
        return Cursor(self.found)

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> Cursor:
        cursor = self.cursor()
        cursor.execute(sql, arguments)
        return cursor

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def close(self) -> None:
        self.found.close()

    def create_function(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - regular expressions, which nobody uses
        """Nothing."""

    def _end(self, word: str) -> None:
        if self.found.in_transaction:
            self.execute(word)


class Cursor:
    """Runs statements; all rows are read at once."""

    arraysize = 1

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - apsw's
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: tuple[Any, ...] | None = None
        self.rowcount, self.lastrowid = -1, None

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> Cursor:
        self._run(lambda cursor: cursor.execute(sql, tuple(arguments)))
        return self

    def executemany(self, sql: str, arguments: Sequence[Sequence[Any]]) -> Cursor:
        self._run(lambda cursor: cursor.executemany(sql, [tuple(one) for one in arguments]))
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        some = self._rows[: size or self.arraysize]
        del self._rows[: len(some)]
        return some

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        self._rows = []

    def _run(self, act: Callable[[Any], Any]) -> None:
        cursor = self._connection.cursor()
        described: list[Any] = []

        def keep_row(running: Any, *_: object) -> bool:  # noqa: ANN401 - apsw's cursor
            described[:] = running.get_description()
            return True

        cursor.exec_trace = keep_row
        before = self._connection.total_changes()
        try:
            self._rows = list(act(cursor))
        except apsw.Error as error:
            kind = next(to for of, to in _ERRORS if isinstance(error, of))
            raise kind(str(error)) from error
        self.description = tuple((name, *[None] * 6) for name, *_ in described) or None
        self.rowcount = self._connection.total_changes() - before
        self.lastrowid = self._connection.last_insert_rowid()


@contextmanager
def through(opener: Connect) -> Iterator[None]:
    """Every SQLite file that SQLAlchemy opens meanwhile is opened by a recorder."""

    def connecting(dialect: Any, record: object, args: Sequence[Any], more: object) -> Connection | None:  # noqa: ANN401
        if dialect.name != "sqlite":
            return None
        return Connection(opener(Path(args[0]), True))

    sa.event.listen(sa.Engine, "do_connect", connecting)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "do_connect", connecting)
