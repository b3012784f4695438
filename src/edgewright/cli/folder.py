"""A group of commands that are the files and folders of a package, and the functions of a module."""

from __future__ import annotations

import ast
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from edgewright.cli.removed import check_removed_command
from edgewright.core.catalogue import names
from edgewright.core.errors import UnknownNameError


class FolderOfCommands(click.Group):
    """Functions under `declare` of a module, and where that is a package its modules, imported when they are named.

    A file offers `command`; a file or folder without one is a group of commands. An underscore in front hides a file.

    Args:
        package: whose commands they are. Below `edgewright.cli.commands` its path is the command line of the group, its
            docstring the help, and `EXAMPLE` what follows in the example of the help.
        settings: those of `click.Group`.
    """

    def __init__(self, package: str, **settings: Any) -> None:  # noqa: ANN401 - of `click.Group`
        self._package, self._words = package, package.replace("_", "-").split(".")[3:]
        self._module = module = importlib.import_module(package)
        example = " ".join(["edgewright", *self._words, getattr(module, "EXAMPLE", "")])
        usual = {"name": package.rpartition(".")[2].replace("_", "-"), "epilog": f"Example: {example}"}
        super().__init__(**{"help": module.__doc__, **usual, **settings})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the functions, files and folders."""
        files = names(self._package) if hasattr(self._module, "__path__") else ()
        return sorted({*self._functions(), *(name.replace("_", "-") for name in files)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the function, or import the file or folder of that name.

        Raises:
            InputError: the command was removed.
            UnknownNameError: there is none.
        """
        check_removed_command(" ".join([*self._words, cmd_name]))
        known = self.list_commands(ctx)
        if cmd_name not in known:
            wrong, *right = (" ".join([*self._words, name]) for name in (cmd_name, *known))
            raise UnknownNameError("command", wrong, right)
        if (function := self._functions().get(cmd_name)) is not None:
            return function
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        command: click.Command = getattr(module, "command", None) or FolderOfCommands(module.__name__)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands; the modules of commands are parsed for their help, not imported."""
        commands = self.list_commands(ctx)
        limit = formatter.width - 6 - max((len(name) for name in commands), default=0)
        with formatter.section("Commands"):
            rows = [(name, click.Command(name, help=self._help_of(ctx, name))) for name in commands]
            formatter.write_dl([(name, command.get_short_help_str(limit)) for name, command in rows])

    def _help_of(self, ctx: click.Context, name: str) -> str:
        """Return the docstring of a command's function, or of a group's module."""
        spec = None if name in self._functions() else find_spec(f"{self._package}.{name.replace('-', '_')}")
        if spec is None or spec.origin is None or spec.name in sys.modules:
            command = self.get_command(ctx, name)
            return (command.help or "") if command else ""
        module = ast.parse(Path(spec.origin).read_bytes())
        functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "command"]
        return ast.get_docstring(functions[0] if functions else module) or ""

    def _functions(self) -> dict[str, click.Command]:
        return {
            str(value.name): value for name, value in vars(self._module).items()
            if name != "command" and isinstance(value, click.Command)
        }  # fmt: skip
