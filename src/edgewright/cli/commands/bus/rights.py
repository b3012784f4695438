"""`edgewright bus rights`: the broker's files."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option


@declare(example="bus.toml --out broker && mosquitto -c broker/mosquitto.conf")
def command(
    *,
    bus: Path = argument(metavar="BUS.TOML"),
    out: Path = option(metavar="DIR", required=True, help="Folder for the files of the broker."),
    owner: str = option(metavar="USER", help="User as which the broker runs. [default: you]"),
) -> Result:
    """Write the access list, the passwords and a configuration of Mosquitto for the services and devices of BUS.TOML.

    DIR/secrets/USER has the password of a user; those that exist are kept. What BUS.TOML does not allow is refused. Run
    the command again after a change, and let the broker reload its files (SIGHUP).
    """
    from edgewright.device.bus.rights import users, write_rights
    from edgewright.device.bus.settings import read_bus

    settings = read_bus(bus)
    new = write_rights(settings, out, owner)
    known = users(settings)
    lines = [
        f"{name} publishes {', '.join(service.publish) or 'nothing'}; reads {', '.join(service.subscribe) or 'nothing'}"
        for name, service in sorted(known.items())
    ]
    lines.append(f"{click.format_filename(out)}: {len(new)} new passwords of {len(known)}")
    return Result({"folder": str(out), "users": sorted(known), "new": new}, lines)
