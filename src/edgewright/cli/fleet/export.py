"""`edgewright fleet export`: static files for any web server, object store or CDN."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgewright.cli.device._store import amount
from edgewright.cli.output import print_json


@click.command("export", epilog="Example: edgewright fleet export my-fleet /srv/www/fleet")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(folder: Path, out: Path, as_json: bool) -> None:
    """Copy everything that devices of the fleet in DIR may ask for to OUT, the timestamp last.

    Files with a version or hash in their names never change and may be cached for ever; OUT/CACHING.md says how long
    the rest may be. What is in OUT already stays, so that a device in the middle of an update finds it. Exit code 1:
    the timestamp has expired.
    """
    from edgewright.fleet.repository.folder import locked, open_fleet
    from edgewright.fleet.repository.static_export import NOTE, export

    fleet = open_fleet(folder)
    with locked(fleet):
        told = export(fleet, out, time.time())
    if as_json:
        print_json(told)
        return
    click.echo(f"{told.written} files written ({amount(told.bytes)}), {told.kept} were there already")
    click.echo(f"the timestamp holds until {told.expires}; export again before")
    for kind, value in told.cache.items():
        click.echo(f"  {kind:<44} Cache-Control: {value}")
    click.echo(f"also written to {click.format_filename(out / NOTE)}")
