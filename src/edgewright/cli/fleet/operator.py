"""`edgewright fleet operator`: who may use the control plane from elsewhere, and as what."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, part, print_json, when
from edgewright.cli.options import argument, declare, option


@click.group("operator", epilog="Example: edgewright fleet operator add ada --role operator --fleet my-fleet")
def command() -> None:
    """Add, remove and list operators."""


@declare("add", of=command, epilog="Example: edgewright fleet operator add ada --role operator --fleet my-fleet")
def add(
    *,
    name: str = argument(),
    role: str = option(type=click.Choice(["viewer", "operator", "admin"]), default="viewer"),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Add an operator and print the token, which is not shown again.

    A viewer reads; an operator also controls rollouts and creates tokens; an admin also manages operators and lifts
    quarantines.
    """
    from edgewright.schema.fleet_api import OperatorMade

    made = api.ask(OperatorMade, "POST", "/v1/fleet/operators", {"name": name, "role": role})
    print_json(made) if as_json else click.echo(made.token)


@declare("remove", of=command, epilog="Example: edgewright fleet operator remove ada --fleet my-fleet")
def remove(*, name: str = argument(), api: ApiOptions) -> None:
    """Remove an operator; the token stops working."""
    from edgewright.schema.fleet_api import Done

    api.ask(Done, "DELETE", f"/v1/fleet/operators/{part(name)}")
    click.echo(f"{name} is removed")


@declare("list", of=command, epilog="Example: edgewright fleet operator list --fleet my-fleet")
def show(*, as_json: bool = option("--json", help="Print JSON."), api: ApiOptions) -> None:
    """List operators."""
    from edgewright.schema.fleet_api import Operators

    found = api.ask(Operators, "GET", "/v1/fleet/operators")
    if as_json:
        print_json(found)
        return
    for one in found.operators:
        click.echo(f"{one.name:<20} {one.role:<9} since {when(one.made_at)}")
    if not found.operators:
        click.echo("no operators; commands on the fleet's own folder need none")
