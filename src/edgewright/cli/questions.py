"""Questions on the terminal, whose default Enter takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from edgewright.schema.errors import InputError

T = TypeVar("T")


def ask(question: str, default: str, read: Callable[[str], T]) -> T:
    """Return the answer to a question; what is wrong is said and asked again.

    An empty line, and the end of what is piped in, take the default. The questions go to stderr.

    Args:
        question: in a line.
        default: as a person would write it.
        read: turns text into the answer; raises `InputError` for what is wrong.
    """
    while True:
        click.echo(f"{question} [{default or 'none'}]: ", err=True, nl=False)
        line = sys.stdin.readline()
        if not line:
            click.echo("", err=True)
            return read(default)
        try:
            return read(line.strip() or default)
        except InputError as error:
            click.echo(f"  {error}", err=True)
