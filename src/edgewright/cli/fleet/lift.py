"""`edgewright fleet lift`: ends the quarantine of a device."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, part
from edgewright.cli.options import argument, declare, option


@declare("lift", epilog="Example: edgewright fleet lift 3f0c... --reason 'the copy was erased' --fleet my-fleet")
def command(
    *, device: str = argument(), reason: str = option(required=True, help="Why, for the audit log."), api: ApiOptions
) -> None:
    """End the quarantine of DEVICE, named by its id or its whole name, once only one machine has its key.

    Two machines that report with one key are both shut out. Erase the copy first; the next fork shuts both out again.
    """
    from edgewright.cli.fleet.devices import device_id
    from edgewright.schema.fleet_api import Done

    with api.connect() as client:
        found = device_id(client, device)
        client.ask(Done, "POST", f"/v1/fleet/devices/{part(found)}/lift", {"reason": reason})
    click.echo(f"the quarantine of {device} is lifted; it is heard at its next report")
