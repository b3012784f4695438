"""`edgewright fleet device list`: the same as `edgewright fleet devices`."""

from __future__ import annotations

from edgewright.cli.command import Result, declare
from edgewright.cli.commands.fleet._api_options import ApiOptions
from edgewright.cli.commands.fleet.devices import DeviceQuery, list_of_devices


@declare(example="--status blocked --fleet my-fleet")
def command(*, query: DeviceQuery, api: ApiOptions) -> Result:
    """List devices, as `edgewright fleet devices` does; retired ones with --status retired."""
    return list_of_devices(query, api)
