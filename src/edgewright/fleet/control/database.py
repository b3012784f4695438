"""The control plane's database: one engine to write, one to read, opened at the newest revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edgewright.fleet.control import sqlite as files
from edgewright.fleet.control.migrating import migrate

# Both say ON CONFLICT in the same words; the core of SQLAlchemy has no such statement.
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True)
class Database:
    """Where the control plane keeps what it must not forget.

    Attributes:
        writing: engine whose transactions are durable when they end.
        readers: engine of connections that cannot write.
    """

    writing: sa.Engine
    readers: sa.Engine

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one moment of the database."""
        with self.readers.connect() as connection:
            yield connection

    def close(self) -> None:
        """Lets go of all connections."""
        self.readers.dispose()
        self.writing.dispose()


def open_database(folder: Path) -> Database:
    """Opens the database of a fleet's folder; makes it, and brings it to the newest revision.

    Raises:
        InputError: it was written by a newer Edgewright.
    """
    path = folder / files.NAME
    writing = files.engine(path, reading=False)
    try:
        migrate(writing, str(path))
        path.chmod(0o600)
    except BaseException:
        writing.dispose()
        raise
    return Database(writing, files.engine(path, reading=True))


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows, or where their primary key is there already replaces the other columns that they name."""
    if not rows:
        return
    statement = _INSERTS[connection.dialect.name](table)
    keys = [column.name for column in table.primary_key]
    others = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=others), list(rows))


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows, leaving those whose primary key is there already as they are."""
    if not rows:
        return
    statement = _INSERTS[connection.dialect.name](table)
    keys = [column.name for column in table.primary_key]
    connection.execute(statement.on_conflict_do_nothing(index_elements=keys), list(rows))
