"""The whole content of one database into another, empty one: moving to PostgreSQL, back, and backups of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa

from edgewright.fleet.server.database import audit_chain, postgres, sqlite
from edgewright.fleet.server.database.engine import Database, open_address, open_database, open_file
from edgewright.fleet.server.database.tables import heads, metadata
from edgewright.fleet.server.server_registry import alone
from edgewright.schema.errors import InputError, OutputError


def move(folder: Path, address: str) -> dict[str, int]:
    """Copy everything there and keep the address; the SQLite file stays under another name. Rows by table.

    Args:
        folder: of the fleet; no server may run.
        address: of an empty database of PostgreSQL.

    Raises:
        InputError: the fleet has another database already, that one is not empty, or a server runs.
        OutputError: it cannot be reached, or the copy failed; the fleet stays where it was.
    """
    postgres.checked(address, "--database")
    held = postgres.address(folder)
    if held:
        raise InputError(
            "a fleet whose database is its SQLite file", f"one at {postgres.shown(held)}", str(folder),
            "Copy it with fleet backup, and restore that where it should be",
        )  # fmt: skip
    with alone(folder):
        file = folder / sqlite.NAME
        counts: dict[str, int] = {}
        if file.is_file():
            counts = fill(address, file)
        else:
            open_address(address).close()
        postgres.keep(folder, address)
        if file.is_file():
            file.rename(file.with_suffix(".moved.sqlite"))
    return counts


_AT_ONCE = 2000


def copy_all(source: sa.Connection, target: sa.Connection) -> dict[str, int]:
    """Copy every table; rows by table.

    Args:
        source: sees one moment.
        target: in a transaction, at the same revision, and empty.

    Raises:
        InputError: the target holds something.
        OutputError: the audit log that arrived is not the one that left.
    """
    counts: dict[str, int] = {}
    for table in metadata.sorted_tables:
        there = target.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        if table is heads:  # its one row is made with the table
            target.execute(sa.delete(heads))
        elif there:
            raise InputError("an empty database", f"{there} rows of {table.name}", str(target.engine.url.database))
        counts[table.name] = 0
        rows = source.execution_options(yield_per=_AT_ONCE).execute(sa.select(table))
        for part in rows.mappings().partitions(_AT_ONCE):
            target.execute(sa.insert(table), [dict(row) for row in part])
            counts[table.name] += len(part)
    _count_on(target)
    (before, left, _), (after, came, wrong) = audit_chain.verify(source), audit_chain.verify(target)
    if (before, left) != (after, came):
        raise OutputError(f"an audit log of {before} rows", f"{after}: {wrong}", "the copy")
    return counts


def _count_on(target: sa.Connection) -> None:
    """PostgreSQL numbers new rows from a sequence, which copied rows do not move."""
    if target.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        for column in table.primary_key:
            if column.autoincrement is True:
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                following = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
                target.execute(sa.select(sa.func.setval(sequence, following, sa.false())))


def backup(folder: Path, file: Path) -> int:
    """Copy the database of a fleet's folder into a SQLite file, while others write it; the file's bytes.

    Raises:
        InputError: there is no database, or something is at the target.
        OutputError: the copy failed; nothing is left behind.
    """
    if not postgres.address(folder):
        return sqlite.backup(folder / sqlite.NAME, file)
    if file.exists():
        raise InputError("a file that does not exist yet", "one that is", str(file), "Name another")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as location:
            copied = Path(location) / sqlite.NAME
            source, target = open_database(folder), open_file(copied)
            try:
                _copy(source, target)
            finally:
                source.close()
                target.close()
            return sqlite.backup(copied, file)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise OutputError("to copy the database", str(error).splitlines()[0], str(file)) from None


def fill(address: str, file: Path) -> dict[str, int]:
    """Return the content of a SQLite file into an empty database of PostgreSQL; rows by table.

    Raises:
        InputError: there is no such file, or the database is not empty.
        OutputError: the copy failed; nothing of it stays.
    """
    if not file.is_file():
        raise InputError("a fleet's database", "none", str(file))
    source, target = open_file(file), open_address(address)
    try:
        return _copy(source, target)
    except sa.exc.SQLAlchemyError as error:
        raise OutputError(
            "to copy the database", str(error).splitlines()[0], postgres.shown(address), "Nothing of it was kept"
        ) from None
    finally:
        source.close()
        target.close()


def _copy(source: Database, target: Database) -> dict[str, int]:
    with source.reading() as left, target.writing.begin() as came:
        return copy_all(left, came)
