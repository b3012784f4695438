"""`edgewright fleet rollout status`: where rollouts stand, and why."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, api_options, print_json


@click.command("status", epilog="Example: edgewright fleet rollout status --fleet my-fleet")
@click.argument("plan", required=False)
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@api_options
def command(plan: str | None, everything: bool, as_json: bool, api: ApiOptions) -> None:
    """Show where a rollout stands: why it holds, its gates with numbers, and before when it is not over."""
    from edgewright.cli.rollouts._output import PATH, find, say
    from edgewright.schema.fleet_watch import RolloutsSeen

    with api.connect() as client:
        seen = client.ask(RolloutsSeen, "GET", PATH).rollouts if everything else (find(client, plan),)
    if as_json:
        print_json(RolloutsSeen(rollouts=seen))
        return
    for one in seen:
        say(one)
    if not seen:
        click.echo("no rollout was started yet")
