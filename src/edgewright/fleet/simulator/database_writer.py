"""The control plane's database in a simulation: one transaction stays open until the next read.

The control plane's group commit combines simultaneous requests of many devices into one transaction. In one process the
requests come one by one, and a transaction for each would take longer than its content. So one transaction stays open,
with a savepoint for each operation, and is committed before the next read. The database is temporary, so it is not
flushed to the disk, and it has no indexes for the device lists of operators.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa

from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import devices, reports
from edgewright.schema.errors import OutputError

_CACHE = 128 << 10
"""Cache of the database in kB."""
_CHECKPOINT = 16 << 10
"""Pages of the write-ahead log before a checkpoint: frequently changed pages are then written only once."""
_LISTED: dict[sa.Table, set[tuple[str, ...]]] = {
    devices: {
        ("product", "counter"), ("name", "id"), ("counter", "id"), ("enrolled_at", "id"), ("plan",), ("quarantined",),
    },
    reports: {("at",)},
}  # fmt: skip
"""Columns of indexes that only paged device lists and retention use."""


class _Open:
    """Replaces an engine: provides a transaction that is committed on demand."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Provide the open transaction, starting one if necessary."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.begin()
        yield self._connection

    def commit(self) -> None:
        """Commit the open transaction.

        Raises:
            OutputError: the disk is full or unavailable.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.closing(connection):
            try:
                connection.commit()
            except sa.exc.OperationalError as error:
                do = "Free some space, or set TMPDIR to another folder"
                raise OutputError("to write the database of a simulation", str(error.orig), do=do) from None


@dataclass(frozen=True)
class _Read(Database):
    """A database that commits the open transaction before every read.

    Attributes:
        commit: commits the open transaction.
    """

    commit: Callable[[], None]

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Provide a read-only connection with a consistent snapshot."""
        self.commit()
        with super().reading() as connection:
            yield connection


def gathered(database: Database) -> tuple[Database, Committer]:
    """Return the database and a committer whose operations are committed before the next read.

    It drops the indexes that a simulation does not need.
    """
    with database.writing.begin() as connection:
        for table, names in _LISTED.items():
            for index in table.indexes:
                if tuple(column.name for column in index.columns) in names:
                    index.drop(connection)
    opened = _Open(database.writing)
    reading = _Read(database.writing, database.readers, opened.commit, files=database.files)
    return reading, Committer(cast("sa.Engine", opened), thread=False)


def unflushed(database: Database) -> None:
    """Turn off flushing to the disk, for a temporary database."""
    for engine in (database.writing, database.readers):
        sa.event.listen(engine, "connect", _unflushed)
        engine.dispose()


def _unflushed(connection: object, record: object) -> None:
    for pragma in ("synchronous=OFF", f"cache_size=-{_CACHE}", f"wal_autocheckpoint={_CHECKPOINT}"):
        connection.execute(f"PRAGMA {pragma}").close()  # type: ignore[attr-defined]
