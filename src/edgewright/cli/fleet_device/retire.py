"""`edgewright fleet device retire`: refuse a device and its key for ever."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions
from edgewright.cli.options import argument, declare, option


@declare("retire", epilog="Example: edgewright fleet device retire pump-017 --reason 'stolen from site 4'")
def command(
    *,
    device: str = argument(metavar="NAME"),
    reason: str = option(required=True, help="Reason, for the audit log and the device."),
    api: ApiOptions,
) -> None:
    """Retire a device that was stolen or scrapped; this cannot be undone.

    The control plane refuses it from now on, and its key never enrols again, with any token. The device says so in its
    log. If the device is to return, empty its store and enrol it with a new token: it is a new device then.
    """
    from edgewright.cli.fleet_device._output import change
    from edgewright.schema.fleet_api import Retired

    retired = change(api, device, "retire", Retired, {"reason": reason})
    click.echo(f"{device} is retired")
    if retired.token:
        click.echo(
            "note: its enrolment token can still be used, also by whoever has the device; revoke it: "
            f"edgewright fleet token revoke {retired.token}",
            err=True,
        )
