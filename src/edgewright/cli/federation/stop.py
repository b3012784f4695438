"""`edgewright fleet federation stop`: gives the present round up."""

from __future__ import annotations

from edgewright.cli.fleet._api_options import ApiOptions, print_json
from edgewright.cli.options import argument, declare, option


@declare("stop", epilog="Example: edgewright fleet federation stop --fleet my-fleet --why 'wrong labels'")
def command(
    *,
    name: str | None = argument(metavar="ID", required=False),
    why: str = option(help="Reason, for the audit log."),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Give the present round of a learning up, by default of the latest; what earlier rounds learned stays."""
    from edgewright.cli.federation._output import PATH, print_seen, wanted
    from edgewright.schema.federation import FederationSeen, StopFederation

    seen = api.ask(FederationSeen, "POST", f"{PATH}/{wanted(api, name)}/stop", StopFederation(reason=why[:400]))
    if as_json:
        print_json(seen)
    else:
        print_seen(seen)
