"""Commands and options that were removed and what replaces them; an entry stays for one version."""

from __future__ import annotations

import click

from edgewright.schema.errors import InputError

_FLOWER = "Flower with SecAgg+, as the section on federated learning of docs/fleet.md describes"
COMMANDS = {
    "adapt federate": _FLOWER,
    "detect score": "edgewright score DETECTOR --data DATA",
    "fleet device list": "edgewright fleet devices",
    "fleet device show": "edgewright fleet devices NAME",
    "fleet federation": _FLOWER,
    "fleet operator remove": "edgewright fleet operator revoke",
    "forecast score": "edgewright score FORECASTER --data FILE.csv",
    "language export": "edgewright export MODEL --to c99",
}
"""Replacement by the words of a command after `edgewright`."""
OPTIONS = {
    "fleet simulate": dict.fromkeys(
        ("--federate", "--data", "--rounds", "--mislabelled", "--poisoners", "--attack"), _FLOWER
    ),
}
"""Replacement by command and option."""


def check_removed_command(words: str) -> None:
    """Raise an error that names the replacement of a removed command.

    Args:
        words: words of the command after `edgewright`.

    Raises:
        InputError: the command was removed.
    """
    if (replacement := COMMANDS.get(words)) is not None:
        raise _error(words, replacement)


def removed_option(error: click.NoSuchOption) -> InputError | None:
    """Return the error that names the replacement of a removed option; None for an option that never existed."""
    words = "" if error.ctx is None else error.ctx.command_path.removeprefix("edgewright").lstrip(" -")
    replacement = OPTIONS.get(words, {}).get(error.option_name)
    return None if replacement is None else _error(f"{words} {error.option_name}", replacement)


def _error(words: str, replacement: str) -> InputError:
    kind = "option" if " --" in words else "command"
    return InputError(f"a current {kind}", f"edgewright {words}, which was removed", do=f"Use {replacement}")
