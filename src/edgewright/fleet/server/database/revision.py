"""The schema's revision: set in an empty database, checked by every command, and changed only by a migration."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from edgewright.core.errors import FleetDatabaseError, FormatNewerError
from edgewright.core.measures import added
from edgewright.fleet.server.database import postgres
from edgewright.fleet.server.database.tables import heads, metadata

FOLDER = Path(__file__).parent / "migrations"


def revision(connection: sa.Connection) -> str | None:
    """Return the revision of a database; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """Return the revision that this program requires."""
    return _newest(FOLDER)


@functools.cache
def _newest(_: Path) -> str:
    """Return the last revision of a folder, which is read once."""
    return str(_scripts(_settings()).get_current_head())


def prepare(engine: sa.Engine, where: str) -> None:
    """Create the tables in an empty database, or check that the database has this program's revision.

    Raises:
        InputError: the database has another revision. Nothing was changed.
    """
    settings = _settings()
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            postgres.lock(connection, postgres.MIGRATING)
        if is_empty(connection, where):
            metadata.create_all(connection)
            connection.execute(sa.insert(heads).values(name="online", serial=0))
            settings.attributes["connection"] = connection
            command.stamp(settings, "head")
        elif lacking := set(added()) - {column["name"] for column in sa.inspect(connection).get_columns("reports")}:
            raise FleetDatabaseError(
                "a column for each measure", f"none for {', '.join(sorted(lacking))}", where,
                "Write its migration: python tools/make_migration.py. Then: edgewright fleet migrate DIR",
            )  # fmt: skip


def is_empty(connection: sa.Connection, where: str) -> bool:
    """Return whether a database has no tables yet.

    Raises:
        InputError: the database has another revision.
    """
    present, needed = revision(connection), newest()
    if present is not None and present != needed:
        _known(present, where)
        raise FormatNewerError(
            f"a database of revision {needed}", f"revision {present}, of an older Edgewright", where,
            "Migrate it: edgewright fleet migrate DIR (first --dry-run). Or use the version that serves it now",
        )  # fmt: skip
    return present is None


def pending(engine: sa.Engine, where: str) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Return a database's revision, and number and title of each missing revision, oldest first.

    Raises:
        InputError: a newer Edgewright made the database.
    """
    with engine.connect() as connection:
        present = revision(connection)
    if present is None:
        return None, ()
    _known(present, where)
    lacking = _scripts(_settings()).iterate_revisions("head", present)
    return present, tuple((step.revision, _title(step)) for step in lacking)[::-1]


def indexes_after(present: str) -> dict[str, tuple[str, Sequence[str]]]:
    """Return table and columns of the large indexes that the revisions after one build."""
    lacking = _scripts(_settings()).iterate_revisions("head", present)
    return {name: of for script in lacking for name, of in getattr(script.module, "INDEXES", {}).items()}


def upgrade(engine: sa.Engine, where: str) -> None:
    """Run the missing revisions of a database in one transaction.

    Over PostgreSQL, large indexes are built before it, while servers go on writing; a build that was cut off is dropped
    and begun again.

    Raises:
        InputError: a newer Edgewright made the database.
        OutputError: another migration runs.
    """
    settings = _settings()
    if engine.dialect.name == "postgresql":
        present, _ = pending(engine, where)
        postgres.build_indexes(engine, indexes_after(present) if present else {})
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            postgres.lock(connection, postgres.MIGRATING)
        _known(revision(connection), where)
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER))
    settings.set_main_option("path_separator", "os")
    return settings


def _scripts(settings: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(settings)


def _title(script: Script) -> str:
    return (script.doc or "").strip().partition("\n")[0]


def _known(present: str | None, where: str) -> None:
    if present not in {script.revision for script in _scripts(_settings()).walk_revisions()}:
        raise FormatNewerError(
            f"a database of revision {newest()}", f"revision {present}, made by a newer Edgewright or before 0.1.0",
            where, "Install that version, or restore an earlier backup",
        )  # fmt: skip
