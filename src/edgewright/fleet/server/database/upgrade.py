"""Migrates a fleet's database to this version's revision after writing a backup."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.database import copy, migration, postgres, sqlite
from edgewright.fleet.server.database.engine import connecting
from edgewright.fleet.server.database.serving import alone
from edgewright.schema.errors import InputError

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
"""Measured on a busy machine with a million reports; SQLite writes an index into its WAL first (ADR 96)."""
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
        before, steps = migration.pending(engine, where)
        if before is None:
            raise InputError("a fleet's database", "an empty one", where, "edgewright fleet serve creates the tables")
        if dry_run or not steps:
            return Migration(before=before, after=migration.newest(), steps=steps, **_cost(engine, before))
        address = postgres.address(folder)
        with nullcontext() if address else alone(folder):
            copied = backup or _backup_file(folder, before)
            copy.backup(folder, copied)
            migration.upgrade(engine, where)
    return Migration(before=before, after=migration.newest(), steps=steps, backup=str(copied))


def _cost(engine: sa.Engine, before: str) -> dict[str, Any]:
    if not migration.indexes_after(before):
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
        migration.upgrade(engine, str(path))
    finally:
        engine.dispose()


@contextmanager
def _opened(folder: Path, *, reading: bool) -> Iterator[tuple[sa.Engine, str]]:
    address, path = postgres.address(folder), folder / sqlite.NAME
    if not address and not path.is_file():
        raise InputError("a fleet's database", "none", str(path), "edgewright fleet serve creates it")
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
