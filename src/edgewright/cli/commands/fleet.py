"""`edgewright fleet`: many devices. Its commands are the files of `cli/fleet`."""

from __future__ import annotations

import click

from edgewright.cli.fleet._database import of_database
from edgewright.cli.folder import FolderOfCommands
from edgewright.schema.errors import InputError

_FROM_AFAR = ("--url", "--token-file", "--ca-file")


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
                "It signs with keys or copies files, which no server gives away: run it where the folder lies. Over "
                "--url work audit, devices, lift, operator, rollout, token and watch"
            )
            named = error.ctx.command_path.removeprefix("edgewright ")
            raise InputError("the fleet's own folder", error.option_name, named, do) from None
        except Exception as error:
            told = of_database(error)
            if told is None:
                raise
            raise told from None


command = Fleet(
    "fleet",
    package="edgewright.cli.fleet",
    help="Sign packages, roll them out in stages to many devices, watch them and take them back.",
    epilog="Example: edgewright fleet init my-fleet",
)
