"""Copies the whole content of a database into an empty one, for moving to PostgreSQL and for backups of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa

from edgewright.fleet.server.database import audit_chain, migration, postgres, sqlite
from edgewright.fleet.server.database.engine import Database, open_address, open_file
from edgewright.fleet.server.database.serving import alone
from edgewright.fleet.server.database.tables import heads, metadata
from edgewright.schema.errors import InputError, OutputError


def move(folder: Path, address: str) -> dict[str, int]:
    """Move a fleet to PostgreSQL and return the number of rows by table; the SQLite file is renamed and kept.

    Args:
        folder: folder of the fleet; no server may run.
        address: address of an empty PostgreSQL database.

    Raises:
        InputError: the fleet already uses PostgreSQL, the target is not empty, or a server runs.
        OutputError: the target cannot be reached, or the copy failed; the fleet keeps its database.
    """
    postgres.checked(address, "--database")
    present = postgres.address(folder)
    if present:
        raise InputError(
            "a fleet whose database is its SQLite file", f"one at {postgres.shown(present)}", str(folder),
            "Create a backup with `fleet backup` and restore it at the new place",
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
    """Copy every table and return the number of rows by table.

    Args:
        source: connection with a consistent snapshot.
        target: connection in a transaction to an empty database with the same schema.

    Raises:
        InputError: the target is not empty.
        OutputError: the copied audit log differs from the original.
    """
    counts: dict[str, int] = {}
    inspector = sa.inspect(target)
    for table in metadata.sorted_tables:
        if not inspector.has_table(table.name):  # a table of a newer revision
            continue
        there = target.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        if table is heads:  # its only row is created with the table
            target.execute(sa.delete(heads))
        elif there:
            raise InputError("an empty database", f"{there} rows of {table.name}", str(target.engine.url.database))
        counts[table.name] = 0
        names = {info["name"] for info in inspector.get_columns(table.name)}
        columns = [sa.column(column.name, column.type) for column in table.columns if column.name in names]
        plain = sa.table(table.name, *columns)  # omits defaults of columns that an older revision lacks
        rows = source.execution_options(yield_per=_AT_ONCE).execute(sa.select(plain))
        for part in rows.mappings().partitions(_AT_ONCE):
            target.execute(sa.insert(plain), [dict(row) for row in part])
            counts[table.name] += len(part)
    _count_on(target)
    (before, left, _), (after, came, wrong) = audit_chain.verify(source), audit_chain.verify(target)
    if (before, left) != (after, came):
        raise OutputError(f"an audit log of {before} rows", f"{after}: {wrong}", "the copy")
    return counts


def _count_on(target: sa.Connection) -> None:
    """Advance PostgreSQL's sequences for new rows past the copied rows."""
    if target.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        for column in table.primary_key:
            if column.autoincrement is True:
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                following = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
                target.execute(sa.select(sa.func.setval(sequence, following, sa.false())))


def backup(folder: Path, file: Path) -> int:
    """Copy the database of a fleet's folder into a SQLite file, even during writes; return the file's size in bytes.

    The copy has the revision of the database, also where that is older than this program's: it is what a migration
    is preceded by.

    Raises:
        InputError: there is no database, or the target exists.
        OutputError: the copy failed; no files remain.
    """
    if not postgres.address(folder):
        return sqlite.backup(folder / sqlite.NAME, file)
    if file.exists():
        raise InputError("a file that does not exist yet", "one that is", str(file), "Name another")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as location:
            copied = Path(location) / sqlite.NAME
            source = postgres.engine(postgres.address(folder), reading=True)
            target = open_file(copied)
            try:
                with source.connect() as left, target.writing.begin() as came:
                    _same_schema(left, came)
                    copy_all(left, came)
            finally:
                source.dispose()
                target.close()
            return sqlite.backup(copied, file)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise OutputError("to copy the database", str(error).splitlines()[0], str(file)) from None


def _same_schema(source: sa.Connection, target: sa.Connection) -> None:
    """Adapt an empty target of the newest revision to an older source, including tables that were removed since.

    Raises:
        InputError: the source has unknown columns, from a newer Edgewright.
    """
    source_schema, target_schema = sa.inspect(source), sa.inspect(target)
    tables, unknown = set(source_schema.get_table_names()), set[str]()
    for lost in tables - set(target_schema.get_table_names()):
        gone = sa.Table(lost, sa.MetaData(), autoload_with=source)
        for column in gone.columns:
            column.type = column.type.as_generic()
        gone.create(target)
        rows = [dict(row) for row in source.execute(sa.select(gone)).mappings()]
        if rows:
            target.execute(sa.insert(gone), rows)
    for table in target_schema.get_table_names():
        if table not in tables:
            target.exec_driver_sql(f"DROP TABLE {table}")
            continue
        indexes = {index["name"] for index in source_schema.get_indexes(table)}
        for name in {index["name"] for index in target_schema.get_indexes(table)} - indexes:
            target.exec_driver_sql(f"DROP INDEX {name}")
        columns, here = (
            {index["name"] for index in each.get_columns(table)} for each in (source_schema, target_schema)
        )
        unknown |= {f"{table}.{name}" for name in columns - here}
        for name in here - columns:
            target.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {name}")
    if unknown:
        do = "Back it up with the version that made it, or with pg_dump"
        raise InputError("a database that this version knows", f"also {', '.join(sorted(unknown))}", "the copy", do)
    present = migration.revision(source)
    target.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (present,))


def fill(address: str, file: Path) -> dict[str, int]:
    """Copy a SQLite file into an empty PostgreSQL database and return the number of rows by table.

    Raises:
        InputError: the file does not exist, or the database is not empty.
        OutputError: the copy failed and was rolled back.
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
