"""`edgewright fleet device show`: everything about one device."""

from __future__ import annotations

from edgewright.cli.fleet._api_options import ApiOptions
from edgewright.cli.fleet.devices import print_device
from edgewright.cli.options import argument, declare, option


@declare("show", epilog="Example: edgewright fleet device show pump-017 --fleet my-fleet")
def command(
    *,
    device: str = argument(metavar="NAME"),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Show a device, as `edgewright fleet devices NAME` does: its state, tags, outcomes and reports."""
    print_device(device, as_json, api)
