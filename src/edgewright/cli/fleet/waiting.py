"""`edgewright fleet waiting`: signed changes that the control plane has not taken in yet."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._folder import FLEET
from edgewright.cli.options import declare, option
from edgewright.cli.output import print_json


@declare("waiting", epilog="Example: edgewright fleet waiting --fleet my-fleet")
def command(
    folder: Path = FLEET,
    withdraw: int | None = option(type=click.IntRange(1), metavar="N", help="Withdraw change N and those after it."),
    as_json: bool = option("--json", help="Print JSON."),
) -> None:
    """List changes that are signed and wait to be published, or withdraw some.

    The control plane publishes them as soon as it runs. If it refuses one (its log says why), the changes after it wait
    too.
    """
    from edgewright.fleet.repository import acceptance
    from edgewright.fleet.repository.changes import plain
    from edgewright.fleet.repository.folder import locked, open_fleet

    fleet = open_fleet(folder)
    if withdraw is None:
        found = acceptance.waiting(fleet)
    else:
        with locked(fleet):
            found = acceptance.withdraw(fleet, withdraw)
    if as_json:
        print_json([{"number": int(one.path.stem), "about": one.change.about} for one in found])
        return
    what = "" if withdraw is None else "taken back: "
    for one in found:
        click.echo(plain(f"{what}{int(one.path.stem)}  {one.change.about}"))
    if not found:
        click.echo("nothing waits")
