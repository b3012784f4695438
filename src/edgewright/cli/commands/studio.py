"""`edgewright studio`: runs in a browser, on this machine only."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option
from edgewright.schema.errors import INTERRUPTED, InputError


@declare("studio", epilog="Example: edgewright studio runs --port 8900 --no-open")
def command(
    folder: Path = argument(metavar="[DIR]", default=Path("runs")),
    port: int = option(type=click.IntRange(0, 65535), default=8797, help="Port on 127.0.0.1; 0 takes a free one."),
    fleet: Path | None = option(metavar="DIR", help="Folder of a fleet to show as well."),
    no_open: bool = option(help="Do not open a browser."),
) -> int:
    """Browse the runs in DIR, start new ones and watch them, in a browser on this machine.

    Only this machine can reach it. Ctrl-C stops it and the runs that were started in it.
    """
    with loading():
        import python_multipart  # noqa: F401 - forms with files need it; asked for now, not at the first form

        from edgewright.core.server_port import free_port
        from edgewright.studio.server import ADDRESS, serve

    if folder.exists() and not folder.is_dir():
        raise InputError("a folder of runs", "a file", click.format_filename(folder))
    if (folder / "trace.json").exists():
        parent = click.format_filename(folder.parent)
        raise InputError("a folder of runs", "a run", click.format_filename(folder), f"Give {parent}")
    if fleet is not None and not (fleet / "fleet.toml").is_file():
        location = click.format_filename(fleet)
        raise InputError("the folder of a fleet", "none", location, f"Make one: edgewright fleet init {location}")
    chosen = free_port(ADDRESS, port)
    folder.mkdir(parents=True, exist_ok=True)

    def ready(address: str) -> None:
        click.echo(f"studio of {click.format_filename(folder)} at {address}  (Ctrl-C ends it)")

    ended = serve(folder, chosen, ready, browser=not no_open, fleet=fleet)
    return INTERRUPTED if ended == signal.SIGINT else 0
