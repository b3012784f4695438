"""`edgewright fleet federation status`: where a learning stands."""

from __future__ import annotations

from edgewright.cli.fleet._api_options import ApiOptions, print_json
from edgewright.cli.options import argument, declare, option


@declare("status", epilog="Example: edgewright fleet federation status --fleet my-fleet")
def command(
    *,
    name: str | None = argument(metavar="ID", required=False),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Show the rounds of a learning, by default of the latest: devices, sums, refusals and epsilon."""
    from edgewright.cli.federation._output import PATH, print_seen, wanted
    from edgewright.schema.federation import FederationSeen

    seen = api.ask(FederationSeen, "GET", f"{PATH}/{wanted(api, name)}")
    if as_json:
        print_json(seen)
    else:
        print_seen(seen)
