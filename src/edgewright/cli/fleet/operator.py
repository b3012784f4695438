"""`edgewright fleet operator`: who may use the control plane from elsewhere, and as what."""

from __future__ import annotations

import time

import click

from edgewright.cli.fleet._api_options import ApiOptions, part, print_json, when
from edgewright.cli.options import argument, declare, option


@click.group("operator", epilog="Example: edgewright fleet operator add ada --role operator --fleet my-fleet")
def command() -> None:
    """Add, revoke and list operators."""


@declare("add", of=command, epilog="Example: edgewright fleet operator add ada --role operator --fleet my-fleet")
def add(
    *,
    name: str = argument(),
    role: str = option(type=click.Choice(["viewer", "operator", "admin"]), default="viewer", help="What they may do."),
    days: float = option(
        type=click.FloatRange(0.0, 3660.0, min_open=True), default=90.0, help="Days until the token expires."
    ),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Add an operator and print the token, which is not shown again.

    A viewer reads; an operator also controls rollouts, creates enrolment tokens, and blocks, names and tags devices; an
    admin also manages operators, retires devices and lifts quarantines. Give each person and each program a name of its
    own: it is in the audit log.
    """
    from edgewright.schema.fleet_api import OperatorMade

    wanted = {"name": name, "role": role, "seconds": days * 86_400.0}
    made = api.ask(OperatorMade, "POST", "/v1/fleet/operators", wanted)
    if as_json:
        print_json(made)
        return
    click.echo(made.token)
    click.echo(f"valid until {when(made.expires)} UTC for {name}, {role}", err=True)


def _revoke(name: str, api: ApiOptions) -> None:
    from edgewright.schema.fleet_api import Done

    api.ask(Done, "DELETE", f"/v1/fleet/operators/{part(name)}")
    click.echo(f"{name} is revoked")


@declare("revoke", of=command, epilog="Example: edgewright fleet operator revoke ada --fleet my-fleet")
def revoke(*, name: str = argument(), api: ApiOptions) -> None:
    """Revoke an operator; the token stops working at once."""
    _revoke(name, api)


@declare("remove", of=command, hidden=True)
def remove(*, name: str = argument(), api: ApiOptions) -> None:
    """Revoke an operator: the name of `revoke` in older scripts."""
    _revoke(name, api)


@declare("list", of=command, epilog="Example: edgewright fleet operator list --fleet my-fleet")
def show(*, as_json: bool = option("--json", help="Print JSON."), api: ApiOptions) -> None:
    """List operators and until when their tokens are valid."""
    from edgewright.schema.fleet_api import Operators

    found = api.ask(Operators, "GET", "/v1/fleet/operators")
    if as_json:
        print_json(found)
        return
    for one in found.operators:
        if one.expires is None:
            until = "never expires: revoke it and add another"
        else:
            until = f"{'expired' if one.expires <= time.time() else 'until'} {when(one.expires)}"
        click.echo(f"{one.name:<20} {one.role:<9} since {when(one.made_at)}  {until}")
    if not found.operators:
        click.echo("no operators; commands on the fleet's own folder need none")
