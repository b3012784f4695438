"""`edgewright bus rights`: the broker's files."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json


@declare("rights", epilog="Example: edgewright bus rights bus.toml --out broker && mosquitto -c broker/mosquitto.conf")
def command(
    *,
    bus: Path = argument(metavar="BUS.TOML"),
    out: Path = option(metavar="DIR", required=True, help="Folder for the files of the broker."),
    owner: str = option(metavar="USER", help="User as which the broker runs. [default: you]"),
    as_json: bool = option("--json", help="Print JSON."),
) -> None:
    """Write the access list, the passwords and a configuration of Mosquitto for the services and devices of BUS.TOML.

    DIR/secrets/USER has the password of a user; those that exist are kept. What BUS.TOML does not allow is refused. Run
    the command again after a change, and let the broker reload its files (SIGHUP).
    """
    from edgewright.device.bus.rights import users, write_rights
    from edgewright.device.bus.settings import read_bus

    settings = read_bus(bus)
    new = write_rights(settings, out, owner)
    known = users(settings)
    if as_json:
        print_json({"folder": str(out), "users": sorted(known), "new": new})
        return
    for name, service in sorted(known.items()):
        writes, reads = (", ".join(patterns) or "nothing" for patterns in (service.publish, service.subscribe))
        click.echo(f"{name} publishes {writes}; reads {reads}")
    click.echo(f"{click.format_filename(out)}: {len(new)} new passwords of {len(known)}")
