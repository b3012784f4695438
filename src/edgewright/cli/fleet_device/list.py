"""`edgewright fleet device list`: the same as `edgewright fleet devices`."""

from __future__ import annotations

from edgewright.cli.fleet._api_options import ApiOptions
from edgewright.cli.fleet.devices import DeviceQuery, print_list
from edgewright.cli.options import declare, option


@declare("list", epilog="Example: edgewright fleet device list --status blocked --fleet my-fleet")
def command(*, query: DeviceQuery, as_json: bool = option("--json", help="Print JSON."), api: ApiOptions) -> None:
    """List devices, as `edgewright fleet devices` does; retired ones with --status retired."""
    print_list(query, as_json, api)
