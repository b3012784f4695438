"""`edgewright fleet lift`: ends the quarantine of a device."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, part
from edgewright.cli.options import argument, declare, option


@declare("lift", epilog="Example: edgewright fleet lift 3f0c... --reason 'the copy was erased' --fleet my-fleet")
def command(
    *, device: str = argument(), reason: str = option(required=True, help="Reason, for the audit log."), api: ApiOptions
) -> None:
    """End the quarantine of DEVICE, named by its id or its full name.

    Two machines that report with one key are both quarantined. Make sure that only one machine has the key: erase the
    copy first, since the next duplicate report quarantines both again.
    """
    from edgewright.cli.fleet.devices import device_id
    from edgewright.schema.fleet_api import Done

    with api.connect() as client:
        found = device_id(client, device)
        client.ask(Done, "POST", f"/v1/fleet/devices/{part(found)}/lift", {"reason": reason})
    click.echo(f"the quarantine of {device} is lifted; its next report counts again")
