"""`edgewright fleet device show`: everything about one device."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._api_options import ApiOptions
from edgewright.cli.commands.fleet.devices import one_device


@declare(example="pump-017 --fleet my-fleet")
def command(*, device: str = argument(metavar="NAME"), api: ApiOptions) -> Result:
    """Show a device, as `edgewright fleet devices NAME` does: its state, tags, outcomes and reports."""
    return one_device(device, api)
