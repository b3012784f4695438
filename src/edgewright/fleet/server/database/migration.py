"""Migrate a database to this version's revision after a backup; copy one for backups and moves to PostgreSQL."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import ExistingFileError, FleetDatabaseError, OutputError
from edgewright.fleet.server.database import postgres, sqlite, tables
from edgewright.fleet.server.database import revision as schema
from edgewright.fleet.server.database.engine import Database, connecting, open_address, open_file
from edgewright.fleet.server.database.postgres import alone
from edgewright.fleet.server.database.tables import heads, metadata


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
        raise FleetDatabaseError(
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
            raise FleetDatabaseError(
                "an empty database", f"{there} rows of {table.name}", str(target.engine.url.database)
            )
        counts[table.name] = 0
        names = {info["name"] for info in inspector.get_columns(table.name)}
        columns = [sa.column(column.name, column.type) for column in table.columns if column.name in names]
        plain = sa.table(table.name, *columns)  # omits defaults of columns that an older revision lacks
        rows = source.execution_options(yield_per=_AT_ONCE).execute(sa.select(plain))
        for part in rows.mappings().partitions(_AT_ONCE):
            target.execute(sa.insert(plain), [dict(row) for row in part])
            counts[table.name] += len(part)
    _count_on(target)
    (before, left, _), (after, came, wrong) = tables.verify_audit_log(source), tables.verify_audit_log(target)
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


def write_backup(folder: Path, file: Path) -> int:
    """Copy the database of a fleet's folder into a SQLite file, even during writes; return the file's size in bytes.

    The copy has the revision of the database, also where that is older than this program's: it is what a migration
    is preceded by.

    Raises:
        InputError: there is no database, or the target exists.
        OutputError: the copy failed; no files remain.
    """
    if not postgres.address(folder):
        return sqlite.copy_file(folder / sqlite.NAME, file)
    if file.exists():
        raise ExistingFileError("a file that does not exist yet", "one that is", str(file), "Name another")
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
            return sqlite.copy_file(copied, file)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise OutputError("to copy the database", str(error).splitlines()[0], str(file)) from None


def _same_schema(source: sa.Connection, target: sa.Connection) -> None:
    """Adapt an empty target of the newest revision to an older source, including tables that were removed since.

    Raises:
        InputError: the source has unknown columns, from a newer Edgewright.
    """
    source_schema, target_schema = sa.inspect(source), sa.inspect(target)
    names, unknown = set(source_schema.get_table_names()), set[str]()
    for lost in names - set(target_schema.get_table_names()):
        gone = sa.Table(lost, sa.MetaData(), autoload_with=source)
        for column in gone.columns:
            column.type = column.type.as_generic()
        gone.create(target)
        rows = [dict(row) for row in source.execute(sa.select(gone)).mappings()]
        if rows:
            target.execute(sa.insert(gone), rows)
    for table in target_schema.get_table_names():
        if table not in names:
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
        raise FleetDatabaseError(
            "a database that this version knows", f"also {', '.join(sorted(unknown))}", "the copy", do
        )
    present = schema.revision(source)
    target.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (present,))


def fill(address: str, file: Path) -> dict[str, int]:
    """Copy a SQLite file into an empty PostgreSQL database and return the number of rows by table.

    Raises:
        InputError: the file does not exist, or the database is not empty.
        OutputError: the copy failed and was rolled back.
    """
    if not file.is_file():
        raise FleetDatabaseError("a fleet's database", "none", str(file))
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


BACKUPS = "backups"


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a migration, or of its dry run.

    Attributes:
        before, after: revisions; equal if there was nothing to do.
        steps: number and title of each missing revision, oldest first.
        backup: path of the backup; empty for none.
        reports: reports that a missing revision reads to build an index, estimated; 0 where none does.
        seconds, bytes_needed: time that this takes, and free space for it and for the backup, estimated.
    """

    before: str
    after: str
    steps: tuple[tuple[str, str], ...] = ()
    backup: str = ""
    reports: int = 0
    seconds: float = 0.0
    bytes_needed: int = 0


_S_A_REPORT, _BYTES_A_REPORT = 4e-6, 120
"""Measured with a million reports; SQLite writes an index into its WAL first (docs/research/fleet.md)."""
_SIZES = {
    "sqlite": "SELECT coalesce(max(id) - min(id) + 1, 0), (SELECT page_count * page_size FROM pragma_page_count(), "
    "pragma_page_size()) FROM reports",
    "postgresql": "SELECT (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'reports'::regclass), "
    "pg_database_size(current_database())",
}
"""Reports and bytes of a database; both take no time on a large one."""


def upgrade(folder: Path, *, dry_run: bool = False, backup: Path | None = None) -> Migration:
    """Migrate the database of a fleet's folder.

    With SQLite no server may run. With PostgreSQL, servers of the previous version continue during and after the
    migration, because a revision only adds tables, columns with defaults and indexes that are built while they write.
    The exception is revision 0014: those servers then answer messages of federated learning with 500, and no others.

    Args:
        folder: folder of the fleet.
        dry_run: whether to change nothing.
        backup: path of the backup; by default a new file in `folder / 'backups'`.

    Raises:
        InputError: there is no database, a newer Edgewright made it, a server runs with SQLite, or the backup's path
            exists.
        OutputError: the database cannot be reached, or the copy failed: nothing was migrated.
    """
    with _opened(folder, reading=dry_run) as (engine, where):
        before, steps = schema.pending(engine, where)
        if before is None:
            raise FleetDatabaseError(
                "a fleet's database", "an empty one", where, "edgewright fleet serve creates the tables"
            )
        if dry_run or not steps:
            return Migration(before=before, after=schema.newest(), steps=steps, **_cost(engine, before))
        address = postgres.address(folder)
        with nullcontext() if address else alone(folder):
            copied = backup or _backup_file(folder, before)
            write_backup(folder, copied)
            schema.upgrade(engine, where)
    return Migration(before=before, after=schema.newest(), steps=steps, backup=str(copied))


def _cost(engine: sa.Engine, before: str) -> dict[str, Any]:
    if not schema.indexes_after(before):
        return {}
    with engine.connect() as connection:
        reports, size = connection.exec_driver_sql(_SIZES[engine.dialect.name]).one()
    return {
        "reports": reports, "seconds": reports * _S_A_REPORT, "bytes_needed": int(size + reports * _BYTES_A_REPORT)
    }  # fmt: skip


def upgrade_file(path: Path) -> None:
    """Migrate a SQLite file; no other process may use it.

    Raises:
        InputError: a newer Edgewright made it.
    """
    engine = sqlite.engine(path, reading=False)
    try:
        schema.upgrade(engine, str(path))
    finally:
        engine.dispose()


@contextmanager
def _opened(folder: Path, *, reading: bool) -> Iterator[tuple[sa.Engine, str]]:
    address, path = postgres.address(folder), folder / sqlite.NAME
    if not address and not path.is_file():
        raise FleetDatabaseError("a fleet's database", "none", str(path), "edgewright fleet serve creates it")
    where = postgres.shown(address) if address else str(path)
    built = _engine(address, path, reading=reading)
    with connecting(built, where) as engine:
        yield engine, where
    built.dispose()


def _engine(address: str, path: Path, *, reading: bool) -> sa.Engine:
    if address:
        return postgres.engine(address, reading=reading)
    return sqlite.read_only_engine(path) if reading else sqlite.engine(path, reading=False)


def _backup_file(folder: Path, revision: str) -> Path:
    backups = folder / BACKUPS
    backups.mkdir(mode=0o700, exist_ok=True)
    return backups / time.strftime(f"revision-{revision}-%Y%m%dT%H%M%SZ.sqlite", time.gmtime())
