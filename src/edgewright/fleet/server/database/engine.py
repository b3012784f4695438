"""The control plane's database: a writing and a reading engine; databases of another revision are refused."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from edgewright.core.errors import FleetDatabaseError, InputError, OutputError
from edgewright.fleet.server import background
from edgewright.fleet.server.database import postgres, revision
from edgewright.fleet.server.database import sqlite as files
from edgewright.fleet.server.database.postgres import retried
from edgewright.fleet.server.database.sqlite import WatchedFiles

PATIENCE_S = 3.0
"""Seconds for which a command retries to open a database that drops its connections."""


@dataclass(frozen=True)
class Database:
    """The control plane's database.

    Attributes:
        writing: engine with durable transactions.
        readers: engine with read-only connections.
        files: the open files; None for PostgreSQL.
    """

    writing: sa.Engine
    readers: sa.Engine
    files: WatchedFiles | None = field(default=None, kw_only=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Provide a read-only connection with a consistent snapshot."""
        with self.readers.connect() as connection:
            yield connection

    @contextmanager
    def looking(self) -> Iterator[bool]:
        """Provide whether this server may process rollouts now; one server at a time is enough.

        A second server would do no harm, since every step checks the version it has read, but would repeat the work.
        """
        if self.readers.dialect.name != "postgresql":
            yield True
            return
        with self.readers.connect() as connection:
            yield postgres.may_look(connection)

    def gone(self) -> str:
        """Return which file of the database was removed or replaced below this process; empty for none."""
        return self.files.gone() if self.files else ""

    def close(self) -> None:
        """Close all connections, unless the files are gone.

        The last connection to close copies the log into the database and removes it, both by name. With other files
        there, it would damage them, so the connections stay open until the process ends, also during its finalization.
        """
        if self.gone():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
            return
        self.readers.dispose()
        self.writing.dispose()
        if self.files:
            self.files.close()


def open_database(folder: Path) -> Database:
    """Open the database of a fleet's folder, creating it if there is none.

    Raises:
        InputError: an older or newer Edgewright made the database, or its address is wrong.
        OutputError: the database server cannot be reached.
    """
    address = postgres.address(folder)
    return open_address(address) if address else open_file(folder / files.NAME)


def open_to_read(folder: Path) -> Database | None:
    """Open the database of a fleet's folder without changing it or a file beside it; None where there is none yet.

    Raises:
        InputError: an older or newer Edgewright made the database, or its address is wrong.
        OutputError: the database server cannot be reached.
    """
    address, path = postgres.address(folder), folder / files.NAME
    if not address and not path.is_file():
        return None
    where = postgres.shown(address) if address else str(path)
    readers = postgres.engine(address, reading=True) if address else files.read_only_engine(path)

    def is_empty() -> bool:
        with readers.connect() as connection:
            return revision.is_empty(connection, where)

    with connecting(readers, where):
        if retried(is_empty, PATIENCE_S):
            readers.dispose()
            return None
    return Database(readers, readers)


def open_empty() -> Database:
    """Open an empty database in memory."""
    engine = files.memory_engine()
    revision.prepare(engine, "memory")
    return Database(engine, engine)


def open_address(address: str) -> Database:
    """Open a PostgreSQL database; several servers can use it at the same time.

    Raises:
        InputError: an older or newer Edgewright made the database, the address is wrong, or the role has no access.
        OutputError: the database server cannot be reached.
    """
    writing = postgres.engine(address, reading=False)
    where = postgres.shown(address)
    with connecting(writing, where):
        retried(lambda: revision.prepare(writing, where), PATIENCE_S)
    return Database(writing, postgres.engine(address, reading=True))


@contextmanager
def connecting(engine: sa.Engine, where: str) -> Iterator[sa.Engine]:
    """Provide an engine; an exception closes its connections.

    Raises:
        InputError: the database or its user does not exist.
        OutputError: the database server cannot be reached.
    """
    try:
        yield engine
    except sa.exc.OperationalError as error:
        engine.dispose()
        if engine.dialect.name != "postgresql":
            raise
        raise _unreached(error, where) from None
    except BaseException:
        engine.dispose()
        raise


def _unreached(error: sa.exc.OperationalError, where: str) -> InputError | OutputError:
    text = str(error.orig).strip().splitlines()[-1] if str(error.orig).strip() else "no answer"
    if "does not exist" in text or "authentication" in text:
        do = "Make it: createdb NAME; or name another with --database"
        return FleetDatabaseError("a database and a role that may write it", text, where, do)
    return OutputError("a reachable database server", text, where, "Start it, or check the address")


def open_file(path: Path) -> Database:
    """Open a SQLite file, creating it if there is none.

    Raises:
        InputError: an older or newer Edgewright made the database.
    """
    writing = files.engine(path, reading=False)
    with connecting(writing, str(path)):
        revision.prepare(writing, str(path))
        return Database(writing, files.engine(path, reading=True), files=WatchedFiles(path))


def lock(connection: sa.Connection, *, shared: bool) -> None:
    """Take the write lock until the transaction ends; a SQLite transaction has it from its beginning.

    Args:
        connection: connection at the beginning of a transaction.
        shared: whether other transactions with a shared lock may write at the same time, if the database supports it.
    """
    if connection.dialect.name == "postgresql":
        postgres.lock(connection, postgres.WRITING, shared=shared)


def write_rows(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]],
    present: Literal["keep", "replace"] | None = None,
) -> None:  # fmt: skip
    """Insert many rows as tuples of driver types, which takes half the time of dictionaries in SQLAlchemy.

    Args:
        connection: connection in a write transaction.
        table: target table.
        names: column names, in the order of each row's values.
        rows: values in the driver's types.
        present: handling of existing primary keys; None if none can exist.
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
    """Update columns of existing rows; the values are like those of `write_rows`, with the primary key last."""
    mark, (key,) = _mark(connection), table.primary_key
    values = ", ".join(f"{name} = {mark}" for name in names)
    if rows:
        connection.exec_driver_sql(f"UPDATE {table.name} SET {values} WHERE {key.name} = {mark}", list(rows))  # noqa: S608


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


_RESTORE = "stop every server, keep the file, and restore: edgewright fleet restore --backup FILE"


def start_integrity_check(database: Database, ready: dict[str, str]) -> Callable[[], None]:
    """Check the file while the server begins to answer; `ready` gets what is damaged. What is returned stops it."""
    if database.readers.dialect.name != "sqlite":
        return lambda: None
    connection = database.readers.connect()
    driver = connection.connection.driver_connection

    def check() -> None:
        try:
            report = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        except sa.exc.DBAPIError as error:
            report = str(error.orig)
        finally:
            connection.close()
        if report not in ("ok", "interrupted"):
            ready["database"] = f"the file is damaged ({report[:200]}): {_RESTORE}"
            background.line("error", "database.damaged", why=report[:500], do=_RESTORE)

    thread = threading.Thread(target=check, name="integrity", daemon=True)
    thread.start()

    def stop() -> None:
        if thread.is_alive() and driver is not None:
            driver.interrupt()
        thread.join(10.0)

    return stop
