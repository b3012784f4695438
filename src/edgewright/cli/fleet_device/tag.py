"""`edgewright fleet device tag`: tags of a device, which cohorts go by."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions
from edgewright.cli.options import argument, declare, option


@declare("tag", epilog="Example: edgewright fleet device tag pump-017 --add north --remove lab --fleet my-fleet")
def command(
    *,
    device: str = argument(metavar="NAME"),
    add: tuple[str, ...] = option(metavar="TAG", help="Tag to add; may be repeated."),
    remove: tuple[str, ...] = option(metavar="TAG", help="Tag to remove; may be repeated."),
    api: ApiOptions,
) -> None:
    """Add and remove tags of a device; tags group devices for cohorts and lists.

    The device learns its tags with its next report. For cohorts, they count in rollouts that start after that: a
    rollout that is under way goes on with the tags that the device had when it started.
    """
    from edgewright.cli.fleet_device._output import change
    from edgewright.schema.fleet_api import Done

    if not add and not remove:
        raise click.UsageError("name a tag with --add or --remove")
    change(api, device, "tags", Done, {"add": add, "remove": remove})
    click.echo(f"the tags of {device} are changed; the device learns them with its next report")
