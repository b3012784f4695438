"""`edgewright fleet releases`: what was published."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._folder import FLEET
from edgewright.cli.options import declare, option
from edgewright.cli.output import print_json


@declare("releases", epilog="Example: edgewright fleet releases --fleet my-fleet")
def command(
    folder: Path = FLEET,
    product: str | None = option(metavar="NAME", help="Only releases of this product."),
    as_json: bool = option("--json", help="Print JSON."),
) -> None:
    """List signed releases, by product and number; each rollback release follows its release."""
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.changes import plain
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.releases import listed

    fleet = open_fleet(folder)
    wanted = None if product is None else fleet.product(product)
    found = [one for one in listed(read_held(fleet)) if wanted in (None, one.release.product)]
    if as_json:
        print_json(found)
        return
    for one in found:
        way = f"  back to {one.of}" if one.revert else ""
        profiles = f"  for {', '.join(one.release.profiles)}" if one.release.profiles else ""
        notes = f"  {one.notes}" if one.notes and not one.revert else ""
        text = f"{one.release.product} {one.release.counter:>5}  {one.release.package}{way}{profiles}{notes}"
        click.echo(plain(text))
    if not found:
        click.echo("no releases yet: edgewright fleet publish PACKAGE")
