"""`edgewright fleet lift`: ends the quarantine of a device."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.fleet._api_options import desk_options, part


@click.command("lift", epilog="Example: edgewright fleet lift 3f0c... --reason 'the copy was erased' --fleet my-fleet")
@click.argument("device")
@click.option("--reason", required=True, help="Why, for the audit log.")
@desk_options
def command(device: str, reason: str, asked: Any) -> None:  # noqa: ANN401
    """End the quarantine of DEVICE, named by its id or its whole name, once only one machine has its key.

    Two machines that report with one key are both shut out. Erase the copy first; the next fork shuts both out again.
    """
    from edgewright.cli.fleet._device import identified
    from edgewright.schema.fleet_api import Done

    with asked() as desk:
        found = identified(desk, device)
        desk.ask(Done, "POST", f"/v1/fleet/devices/{part(found)}/lift", {"reason": reason})
    click.echo(f"the quarantine of {device} is lifted; it is heard at its next report")


COMMAND = command
