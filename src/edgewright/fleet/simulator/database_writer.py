"""The control plane's database in a simulation: what is written stays in one transaction until somebody reads.

The control plane's group commit puts what many devices say at the same moment into one transaction. In one process
they speak one after the other, and a transaction for each would take longer than what is in it. So one stays open, each
operation in a savepoint of its own as ever, and is committed before anybody reads. The database lives no longer than
the simulation, so it is not flushed to the disk, and has no index that only people's lists need.
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
"""kB of the database that are kept in memory."""
_CHECKPOINT = 16 << 10
"""Pages of the log after which they are put in their places: pages that change all the time are written once."""
_LISTED: dict[sa.Table, set[tuple[str, ...]]] = {
    devices: {
        ("product", "counter"), ("name", "id"), ("counter", "id"), ("enrolled_at", "id"), ("plan",), ("quarantined",),
    },
    reports: {("at",)},
}  # fmt: skip
"""Columns of indexes that are for lists of devices, page by page, and for what is forgotten after a month."""


class _Open:
    """Stands in for an engine: a transaction that ends on demand.

    Args:
        engine: that writes.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Provide the transaction that is open; begun where none is."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.begin()
        yield self._connection

    def commit(self) -> None:
        """End it.

        Raises:
            OutputError: no room for it, or no disk.
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
    """What was written before is there when it is read.

    Attributes:
        commit: ends the transaction that is open.
    """

    commit: Callable[[], None]

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Provide a connection that sees one moment of the database."""
        self.commit()
        with super().reading() as connection:
            yield connection


def gathered(database: Database) -> tuple[Database, Committer]:
    """Return the same database and a committer for it, whose operations are committed when somebody reads."""
    unlisted(database.writing)
    held = _Open(database.writing)
    return _Read(database.writing, database.readers, held.commit), Committer(cast("sa.Engine", held), thread=False)


def unflushed(database: Database) -> None:
    """Nothing of it need survive this process."""
    for engine in (database.writing, database.readers):
        sa.event.listen(engine, "connect", _unflushed)
        engine.dispose()


def unlisted(engine: sa.Engine) -> None:
    """Take away what only lists need."""
    with engine.begin() as connection:
        for table, names in _LISTED.items():
            for index in table.indexes:
                if tuple(column.name for column in index.columns) in names:
                    index.drop(connection)


def _unflushed(connection: object, record: object) -> None:
    for pragma in ("synchronous=OFF", f"cache_size=-{_CACHE}", f"wal_autocheckpoint={_CHECKPOINT}"):
        connection.execute(f"PRAGMA {pragma}").close()  # type: ignore[attr-defined]
