"""`edgewright fleet device rename`: another name for a device."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="pump-017 pump-north-3 --fleet my-fleet")
def command(*, device: str = argument(metavar="NAME"), new: str = argument(), api: ApiOptions) -> Result:
    """Give a device the name NEW; its id stays, and rollouts do not depend on names."""
    from edgewright.cli.commands.fleet.device._output import change
    from edgewright.schema.fleet_api import Done

    answer = change(api, device, "rename", Done, {"name": new})
    return Result(answer, [f"{device} is now {new}"])
