"""`edgewright fleet rollout status`: where rollouts stand, and why."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, print_json
from edgewright.cli.options import argument, declare, option


@declare("status", epilog="Example: edgewright fleet rollout status --fleet my-fleet")
def command(
    *,
    plan: str | None = argument(required=False),
    everything: bool = option("--all", help="Include finished rollouts."),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Show the state of a rollout: why it waits, its gates with numbers, and the earliest time it can end."""
    from edgewright.cli.rollouts._output import PATH, find, say
    from edgewright.schema.fleet_watch import RolloutsSeen

    with api.connect() as client:
        seen = client.ask(RolloutsSeen, "GET", PATH).rollouts if everything else (find(client, plan),)
    if as_json:
        print_json(RolloutsSeen(rollouts=seen))
        return
    for one in seen:
        say(one, planned=not everything)
    if not seen:
        click.echo("no rollout was started yet")
