"""Sign packages, roll them out to devices in stages, monitor them and roll them back."""

from __future__ import annotations

import sys
from typing import Any

import click

from edgewright.cli.commands.fleet._database import backup, database, migrate, restore  # noqa: F401 - commands
from edgewright.cli.commands.fleet._repository import (  # noqa: F401 - commands
    export,
    finish,
    init,
    publish,
    releases,
    waiting,
)
from edgewright.cli.folder import FolderOfCommands
from edgewright.core.errors import FleetDatabaseError, FleetMissingError, InputError, OutputError

_FROM_AFAR = ("--url", "--token-file", "--ca-file")
_DAMAGED = ("file is not a database", "malformed")
_LOCKED = ("database is locked", "database table is locked")


class Fleet(FolderOfCommands):
    """Says why a command that works on the folder alone cannot be asked of a server, and what a database lacks."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.

        Raises:
            InputError: it was given the address of a server, and needs the folder; or the database does not answer.
        """
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            if error.option_name not in _FROM_AFAR or error.ctx is None:
                raise
            do = (
                "It needs keys or files of the fleet folder: run it on that machine. With --url you can use audit, "
                "device, devices, lift, operator, rollout, token and watch"
            )
            named = error.ctx.command_path.removeprefix("edgewright ")
            raise FleetMissingError("the fleet's own folder", error.option_name, named, do) from None
        except Exception as error:
            reported = _of_database(error)
            if reported is None:
                raise
            raise reported from None


def _of_database(error: Exception) -> InputError | OutputError | None:
    """Return the error of a database in words; None where it is another's.

    Args:
        error: any. SQLAlchemy is not loaded for this: where it is not there, no database was asked.
    """
    known: Any = sys.modules.get("sqlalchemy.exc")
    if known is None or not isinstance(error, known.DBAPIError):
        return None
    text = " ".join(str(error.orig).split())[:300]
    if any(damage in text for damage in _DAMAGED):
        do = "Move the file away and take a backup: edgewright fleet restore --backup FILE"
        return FleetDatabaseError("the fleet's database", text, "fleet.sqlite", do)
    if any(damage in text for damage in _LOCKED):
        do = "Another program locks it: stop that program, or try again later"
    elif "sqlite" in type(error.orig).__module__:
        do = "Check the disk and the write permissions of the folder"
    else:
        do = "Check that PostgreSQL runs, and the address, user and password in database.url"
    return OutputError("a database that answers", text, "the fleet's database", do)


EXAMPLE = "init my-fleet"
command = Fleet(__name__)
