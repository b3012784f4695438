"""`edgewright fleet device rename`: another name for a device."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions
from edgewright.cli.options import argument, declare


@declare("rename", epilog="Example: edgewright fleet device rename pump-017 pump-north-3 --fleet my-fleet")
def command(*, device: str = argument(metavar="NAME"), new: str = argument(), api: ApiOptions) -> None:
    """Give a device the name NEW; its id stays, and rollouts do not depend on names."""
    from edgewright.cli.fleet_device._output import change
    from edgewright.schema.fleet_api import Done

    change(api, device, "rename", Done, {"name": new})
    click.echo(f"{device} is now {new}")
