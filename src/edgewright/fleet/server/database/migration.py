"""Brings a database to the newest revision, and refuses one that is newer than this program."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from edgewright.fleet.server.database import postgres
from edgewright.schema.errors import InputError

FOLDER = Path(__file__).parent / "migrations"


def config() -> Config:
    """Alembic's settings; they name only the folder of revisions."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.set_main_option("path_separator", "os")
    return made


def revision(connection: sa.Connection) -> str | None:
    """The revision that a database has; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: sa.Engine, where: str, target: str = "head") -> str:
    """Runs the revisions that are missing, in one transaction, and gives the one that holds then.

    Raises:
        InputError: the database has a revision that this program does not know.
    """
    settings = config()
    scripts = ScriptDirectory.from_config(settings)
    known = {script.revision for script in scripts.walk_revisions()}
    newest = scripts.get_current_head() or ""
    wanted = newest if target == "head" else target
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            postgres.lock_migrating(connection)
        present = revision(connection)
        if present is not None and present not in known:
            raise InputError(
                f"a database of revision {newest} or older", f"revision {present}, made by a newer Edgewright", where,
                "Install that version, or restore a backup from before it",
            )  # fmt: skip
        if present != wanted:
            settings.attributes["connection"] = connection
            command.upgrade(settings, wanted)
    return wanted
