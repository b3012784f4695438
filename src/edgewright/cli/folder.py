"""A group of commands that are the files of a folder."""

from __future__ import annotations

import importlib
from typing import Any

import click

from edgewright.core.catalogue import names
from edgewright.schema.errors import UnknownNameError


class FolderOfCommands(click.Group):
    """Modules of a package, imported when they are named; each offers `command`; an underscore in front hides one.

    Args:
        name: of the group, such as 'device'.
        package: whose modules the commands are; `edgewright.cli.NAME` when left out.
        before: words in front of a command's name in messages, such as 'fleet key'; the group's name when left out.
        settings: those of `click.Group`.
    """

    def __init__(self, name: str, *, package: str = "", before: str | None = None, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self._package = package or f"edgewright.cli.{name.replace('-', '_')}"
        self._before = f"{name} " if before is None else before

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the files."""
        return [name.replace("_", "-") for name in names(self._package)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the file of that name.

        Raises:
            UnknownNameError: no such file.
        """
        known = self.list_commands(ctx)
        if cmd_name not in known:
            raise UnknownNameError("command", self._before + cmd_name, [self._before + name for name in known])
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        found: click.Command = module.command
        return found
