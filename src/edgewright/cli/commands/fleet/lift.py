"""`edgewright fleet lift`: ends the quarantine of a device."""

from __future__ import annotations

from edgewright.cli.command import argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part


@declare(example="3f0c... --reason 'the copy was erased' --fleet my-fleet")
def command(
    *, device: str = argument(), reason: str = option(required=True, help="Reason, for the audit log."), api: ApiOptions
) -> str:
    """End the quarantine of DEVICE, named by its id or its full name.

    Two machines that report with one key are both quarantined. Make sure that only one machine has the key: erase the
    copy first, since the next duplicate report quarantines both again.
    """
    from edgewright.cli.commands.fleet.devices import device_id
    from edgewright.fleet.protocol.api_records import Done

    with api.connect() as client:
        identity = device_id(client, device)
        client.ask(Done, "POST", f"/v1/fleet/devices/{part(identity)}/lift", {"reason": reason})
    return f"the quarantine of {device} is lifted; its next report counts again"
