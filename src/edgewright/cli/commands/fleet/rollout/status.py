"""`edgewright fleet rollout status`: where rollouts stand, and why."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="--fleet my-fleet")
def command(
    *,
    plan: str | None = argument(required=False),
    everything: bool = option("--all", help="Include finished rollouts."),
    api: ApiOptions,
) -> Result:
    """Show the state of a rollout: why it waits, its gates with numbers, and the earliest time it can end."""
    from edgewright.cli.commands.fleet.rollout._output import PATH, find, rollout_lines
    from edgewright.schema.fleet_watch import RolloutsSeen

    with api.connect() as client:
        seen = client.ask(RolloutsSeen, "GET", PATH).rollouts if everything else (find(client, plan),)
    lines = [line for rollout in seen for line in rollout_lines(rollout, planned=not everything)]
    return Result(RolloutsSeen(rollouts=seen), lines or ["no rollout was started yet"], compact=True)
