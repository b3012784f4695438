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
    """Copy all files that devices of the fleet in DIR request to OUT, the timestamp last.

    Files with a version or hash in their names never change and can be cached for ever; OUT/CACHING.md says how long
    the others can be. Files already in OUT stay, so that a device in the middle of an update finds them. Exits with 1
    if the timestamp has expired.
    """
    from edgewright.fleet.repository.folder import locked, open_fleet
    from edgewright.fleet.repository.static_export import NOTE, export

    fleet = open_fleet(folder)
    with locked(fleet):
        export_result = export(fleet, out, time.time())
    if as_json:
        print_json(export_result)
        return
    click.echo(
        f"{export_result.written} files written ({amount(export_result.bytes)}), {export_result.kept} existed already"
    )
    click.echo(f"the timestamp is valid until {export_result.expires}; export again before then")
    for kind, value in export_result.cache.items():
        click.echo(f"  {kind:<44} Cache-Control: {value}")
    click.echo(f"also written to {click.format_filename(out / NOTE)}")
