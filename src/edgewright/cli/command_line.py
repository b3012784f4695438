"""The command that is running, as it can be typed again."""

from __future__ import annotations

import shlex
from pathlib import Path

import click


def command_line(**changes: object) -> str:
    """Write the running command with the options that differ from their defaults, ready to be typed.

    Args:
        changes: parameters of the command by name, and what they are to be instead; None leaves one out.
    """
    context = click.get_current_context()
    values = {**context.params, **changes}
    words: list[str] = []
    for parameter in context.command.params:
        value = values.get(parameter.name or "")
        given = list(value) if isinstance(value, list | tuple) else [value]
        given = [str(one) if isinstance(one, Path) else one for one in given if one is not None and one != ""]
        if isinstance(parameter, click.Argument):
            words += map(str, given)
        elif value == parameter.get_default(context):
            continue
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words += [parameter.opts[0]] if value else []
        else:
            words += [word for one in given for word in (parameter.opts[0], str(one))]
    return f"{context.command_path} {shlex.join(words)}".rstrip()
