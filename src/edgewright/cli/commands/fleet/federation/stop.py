"""`edgewright fleet federation stop`: gives the present round up."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="--fleet my-fleet --why 'wrong labels'")
def command(
    *,
    name: str | None = argument(metavar="ID", required=False),
    why: str = option(help="Reason, for the audit log."),
    api: ApiOptions,
) -> Result:
    """Give the present round of a learning up, by default of the latest; what earlier rounds learned stays."""
    from edgewright.cli.commands.fleet.federation._output import PATH, seen_lines, wanted
    from edgewright.schema.federation import FederationSeen, StopFederation

    seen = api.ask(FederationSeen, "POST", f"{PATH}/{wanted(api, name)}/stop", StopFederation(reason=why[:400]))
    return Result(seen, seen_lines(seen), compact=True)
