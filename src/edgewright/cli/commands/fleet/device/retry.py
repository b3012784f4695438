"""`edgewright fleet device retry`: let a device try a release again that failed there."""

from __future__ import annotations

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="pump-017 --fleet my-fleet")
def command(
    *,
    device: str = argument(metavar="NAME"),
    release: int | None = option(
        type=click.IntRange(1), help="Number of the release; by default the last one that failed there."
    ),
    api: ApiOptions,
) -> Result:
    """Let a device try a release again that failed there, such as after its disk was replaced.

    It learns this with its next report and tries the release if a rollout still offers it; otherwise use `deploy`. A
    device tries one release again three times at most. For the gates of the rollout its failure remains a failure.
    """
    from edgewright.cli.commands.fleet.device._output import change
    from edgewright.schema.fleet_api import Retried

    retried = change(api, device, "retry", Retried, {"release": release or 0})
    text = f"{device} may try release {retried.release} again, from its next report on"
    return Result(retried, [text])
