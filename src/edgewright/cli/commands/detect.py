"""`edgewright detect`: anomaly detectors. Its commands are the files of `cli/detect`."""

from __future__ import annotations

import importlib
import pkgutil
from importlib import resources

import click

from edgewright.schema.errors import UnknownNameError

_PACKAGE = "edgewright.cli.detect"


class _Commands(click.Group):
    """Modules of the folder, imported when they are named; a name with an underscore in front is none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the files."""
        folder = str(resources.files(_PACKAGE))
        return sorted(m.name for m in pkgutil.iter_modules([folder]) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the file of that name.

        Raises:
            UnknownNameError: no such file.
        """
        if cmd_name not in self.list_commands(ctx):
            raise UnknownNameError("command", f"detect {cmd_name}", [f"detect {n}" for n in self.list_commands(ctx)])
        command: click.Command = importlib.import_module(f"{_PACKAGE}.{cmd_name}").COMMAND
        return command


@click.group("detect", cls=_Commands, epilog="Example: edgewright detect fit pump.csv --time time --out pump.detector")
def command() -> None:
    """Find anomalies in streams and windows: fit a detector, run it, score it."""


COMMAND = command
