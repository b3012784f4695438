"""A group of commands that are the files of a folder."""

from __future__ import annotations

import importlib
import pkgutil
from importlib import resources

import click

from edgewright.schema.errors import UnknownNameError


class FolderOfCommands(click.Group):
    """Modules of a package, imported when they are named; each offers `COMMAND`; an underscore in front hides one.

    Args:
        name: of the group, such as 'device'.
        package: whose modules the commands are.
        before: words in front of a command's name in messages, such as 'fleet key'; the group's name when left out.
    """

    def __init__(self, name: str, *, package: str, before: str = "", help: str, epilog: str) -> None:  # noqa: A002
        super().__init__(name, help=help, epilog=epilog)
        self._package, self._before = package, before or name

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the files."""
        folder = str(resources.files(self._package))
        return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules([folder]) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the file of that name.

        Raises:
            UnknownNameError: no such file.
        """
        known = self.list_commands(ctx)
        if cmd_name not in known:
            raise UnknownNameError("command", f"{self._before} {cmd_name}", [f"{self._before} {n}" for n in known])
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.COMMAND
        return command
