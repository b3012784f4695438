"""A small SQLite file that guards against what is older: made whole or not at all, flushed at once, never set aside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, Database, connect, trouble
from edgewright.schema.errors import InputError, OutputError

ENDINGS = ("-journal", "-wal", "-shm")
"""Of the files that SQLite keeps beside a database."""


def open_guarded(
    path: Path, version: int, statements: Sequence[str], what: str, do: str, *,
    opener: Connect = connect, writable: bool = True, ahead: bool = False,
    rows: Sequence[tuple[str, Sequence[object]]] = (),
) -> Database:  # fmt: skip
    """Open such a file with a rollback journal and `synchronous=EXTRA`, or makes it.

    Args:
        path: of the file; its folder is there.
        version: newest that this program reads.
        statements: that make its tables.
        what: it is, and what to do where it cannot be read, for messages.
        do: as above.
        opener: of databases.
        writable: without it an absent file is an error.
        rows: statements and arguments that fill a new file.
        ahead: with a write-ahead log and `synchronous=FULL` instead: as durable, one flush a commit instead of five,
            for a file that changes with every piece of news.

    Raises:
        InputError: it is of a newer version.
        OutputError: it cannot be read or made; it is left as it is.
    """
    database: Database | None = None
    try:
        if writable and not path.exists():
            _make(path, version, [(one, ()) for one in statements] + list(rows), opener)
        database = Database(path, opener, writable)
        if writable:
            database.execute(f"PRAGMA journal_mode={'WAL' if ahead else 'DELETE'}")
            database.execute(f"PRAGMA synchronous={'FULL' if ahead else 'EXTRA'}")
        found = int(database.value("PRAGMA user_version"))
        if found > version:
            raise InputError(f"{what} of version {version} or older", f"version {found}", str(path),
                             "Update Edgewright on this device")  # fmt: skip
        record = database.value("PRAGMA quick_check(1)")
        if record != "ok":
            raise OutputError(what, f"a damaged file: {record}", str(path), do)
        return database
    except (InputError, OutputError, MemoryError):
        _close(database)
        raise
    except Exception as error:
        _close(database)
        raise OutputError(what, f"{trouble(error)}: {error}", str(path), do) from error


def _close(database: Database | None) -> None:
    if database is not None:
        database.close()


def _make(path: Path, version: int, statements: Sequence[tuple[str, Sequence[object]]], opener: Connect) -> None:
    temporary = path.with_name(f"{path.name}.new")
    file_operations.remove(temporary)
    for name in (temporary.name, path.name):
        # A journal or log of a file that is gone would be played into the new one.
        for ending in ENDINGS:
            file_operations.remove(path.with_name(name + ending))
    database = Database(temporary, opener)
    try:
        database.execute("PRAGMA synchronous=EXTRA")
        with database.transaction():
            for statement, arguments in statements:
                database.execute(statement, arguments)
            database.execute(f"PRAGMA user_version={version}")
    finally:
        database.close()
    file_operations.rename(temporary, path)
    file_operations.sync_folder(path.parent)
