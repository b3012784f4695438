"""`edgewright fleet device tag`: tags of a device, which cohorts go by."""

from __future__ import annotations

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="pump-017 --add north --remove lab --fleet my-fleet")
def command(
    *,
    device: str = argument(metavar="NAME"),
    add: tuple[str, ...] = option(metavar="TAG", help="Tag to add; may be repeated."),
    remove: tuple[str, ...] = option(metavar="TAG", help="Tag to remove; may be repeated."),
    api: ApiOptions,
) -> Result:
    """Add and remove tags of a device; tags group devices for cohorts and lists.

    The device learns its tags with its next report. For cohorts, they count in rollouts that start after that: a
    rollout that is under way goes on with the tags that the device had when it started.
    """
    from edgewright.cli.commands.fleet.device._output import change
    from edgewright.schema.fleet_api import Done

    if not add and not remove:
        raise click.UsageError("name a tag with --add or --remove")
    answer = change(api, device, "tags", Done, {"add": add, "remove": remove})
    return Result(answer, [f"the tags of {device} are changed; the device learns them with its next report"])
