"""`edgewright fleet federation status`: where a learning stands."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="--fleet my-fleet")
def command(
    *,
    name: str | None = argument(metavar="ID", required=False),
    api: ApiOptions,
) -> Result:
    """Show the rounds of a learning, by default of the latest: devices, sums, refusals and epsilon."""
    from edgewright.cli.commands.fleet.federation._output import PATH, seen_lines, wanted
    from edgewright.schema.federation import FederationSeen

    seen = api.ask(FederationSeen, "GET", f"{PATH}/{wanted(api, name)}")
    return Result(seen, seen_lines(seen), compact=True)
