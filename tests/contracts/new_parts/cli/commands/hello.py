"""`edgewright hello`: a command of one file."""

from __future__ import annotations

import click


@click.command("hello", epilog="Example: edgewright hello Ada")
@click.argument("name")
def command(name: str) -> None:
    """Greet NAME on standard output."""
    click.echo(f"Hello, {name}")


COMMAND = command
