"""`edgewright device`: what happens on a device. Its commands are the files of `cli/device`."""

from __future__ import annotations

import importlib
import pkgutil
from importlib import resources

import click

from edgewright.schema.errors import UnknownNameError

_PACKAGE = "edgewright.cli.device"


class _Commands(click.Group):
    """Modules of the folder, imported when they are named; a name with an underscore in front is none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the files."""
        folder = str(resources.files(_PACKAGE))
        return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules([folder]) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the file of that name.

        Raises:
            UnknownNameError: no such file.
        """
        if cmd_name not in self.list_commands(ctx):
            raise UnknownNameError("command", f"device {cmd_name}", [f"device {n}" for n in self.list_commands(ctx)])
        module = importlib.import_module(f"{_PACKAGE}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.COMMAND
        return command


@click.group("device", cls=_Commands, epilog="Example: edgewright device status --store /var/lib/edgewright")
def command() -> None:
    """Run on a device, record with it, and look into its store."""


COMMAND = command
