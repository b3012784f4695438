"""The control plane's database: one engine to write, one to read, opened at the newest revision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from edgewright.fleet.server.database import postgres
from edgewright.fleet.server.database import sqlite as files
from edgewright.fleet.server.database.tables import heads, metadata
from edgewright.schema.errors import InputError, OutputError

FOLDER = Path(__file__).parent / "migrations"


def revision(connection: sa.Connection) -> str | None:
    """Return the revision that a database has; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: sa.Engine, where: str) -> None:
    """Create the tables in an empty database, or run the revisions that are missing, in one transaction.

    Raises:
        InputError: the database has a revision that this program does not know.
    """
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER))
    settings.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(settings)
    newest = scripts.get_current_head()
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        if connection.dialect.name == "postgresql":
            postgres.lock(connection, postgres.MIGRATING)
        present = revision(connection)
        if present is None:
            metadata.create_all(connection)
            connection.execute(sa.insert(heads).values(name="online", serial=0))
            command.stamp(settings, "head")
        elif present not in {script.revision for script in scripts.walk_revisions()}:
            raise InputError(
                f"a database of revision {newest}", f"revision {present}, made by a newer Edgewright or before 0.1.0",
                where, "Install that version, or restore an earlier backup",
            )  # fmt: skip
        elif present != newest:
            command.upgrade(settings, "head")


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
        """Provide a connection that sees one moment of the database."""
        with self.readers.connect() as connection:
            yield connection

    @contextmanager
    def looking(self) -> Iterator[bool]:
        """Provide whether this server looks after rollouts now; another that does so at the same moment is enough.

        A second one would do no harm, every step names the version that it saw, but the same work twice.
        """
        if self.readers.dialect.name != "postgresql":
            yield True
            return
        with self.readers.connect() as connection:
            yield postgres.may_look(connection)

    def close(self) -> None:
        """Let go of all connections."""
        self.readers.dispose()
        self.writing.dispose()


def open_database(folder: Path) -> Database:
    """Open the database of a fleet's folder; make it, and brings it to the newest revision.

    Raises:
        InputError: it was written by a newer Edgewright, or its address is wrong.
        OutputError: the server of databases cannot be reached.
    """
    address = postgres.address(folder)
    return open_address(address) if address else open_file(folder / files.NAME)


def open_address(address: str) -> Database:
    """Open a database of PostgreSQL; several servers may, at once.

    Raises:
        InputError: it was written by a newer Edgewright, the address is wrong, or nobody of that name may use it.
        OutputError: the server of databases cannot be reached.
    """
    writing = postgres.engine(address, reading=False)
    try:
        migrate(writing, postgres.shown(address))
    except sa.exc.OperationalError as error:
        writing.dispose()
        raise _unreached(error, postgres.shown(address)) from None
    except BaseException:
        writing.dispose()
        raise
    return Database(writing, postgres.engine(address, reading=True))


def _unreached(error: sa.exc.OperationalError, where: str) -> InputError | OutputError:
    text = str(error.orig).strip().splitlines()[-1] if str(error.orig).strip() else "no answer"
    if "does not exist" in text or "authentication" in text:
        do = "Make it: createdb NAME; or name another with --database"
        return InputError("a database and a role that may write it", text, where, do)
    return OutputError("a server of databases that answers", text, where, "Start it, or check the address")


def open_file(path: Path) -> Database:
    """Open a SQLite file.

    Raises:
        InputError: it was written by a newer Edgewright.
    """
    writing = files.engine(path, reading=False)
    try:
        migrate(writing, str(path))
        path.chmod(0o600)
    except BaseException:
        writing.dispose()
        raise
    return Database(writing, files.engine(path, reading=True))


def lock(connection: sa.Connection, *, shared: bool) -> None:
    """Lock for writing until the transaction ends; in SQLite it is locked from its beginning.

    Args:
        connection: that has just begun.
        shared: others that share it write at the same time, where the database lets several.
    """
    if connection.dialect.name == "postgresql":
        postgres.lock(connection, postgres.WRITING, shared=shared)


def write_rows(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]],
    present: Literal["keep", "replace"] | None = None,
) -> None:  # fmt: skip
    """Insert many rows as tuples in the driver's types, in half the time that SQLAlchemy takes for dictionaries.

    Args:
        connection: in a transaction that may write.
        table: to insert into.
        names: of the columns, in the order of each row's values.
        rows: values as the driver takes them.
        present: what becomes of a row whose primary key is there already; None where there is none.
    """
    if not rows:
        return
    marks, keys = ", ".join([_mark(connection)] * len(names)), [column.name for column in table.primary_key]
    others = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    conflict = f" ON CONFLICT ({', '.join(keys)}) DO {'NOTHING' if present == 'keep' else f'UPDATE SET {others}'}"
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
    connection.exec_driver_sql(statement + (conflict if present else ""), list(rows))


def update_rows(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Write columns of rows that are there; each row's values as of `write_rows`, and its primary key last."""
    mark, (key,) = _mark(connection), table.primary_key
    values = ", ".join(f"{name} = {mark}" for name in names)
    if rows:
        connection.exec_driver_sql(f"UPDATE {table.name} SET {values} WHERE {key.name} = {mark}", list(rows))  # noqa: S608


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"
