"""`edgewright fleet token`: what devices enrol with."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, part, print_json, seconds, when
from edgewright.cli.options import argument, declare, option


@click.group("token", epilog="Example: edgewright fleet token new --fleet my-fleet --tag north --uses 1 --expires 7d")
def command() -> None:
    """Create, list and revoke the tokens that devices enrol with."""


@declare("new", of=command, epilog="Example: edgewright fleet token new --fleet my-fleet --tag north --expires 7d")
def new(
    *,
    product: str = option(help="Product (a line of packages); optional if the fleet has one."),
    tags: tuple[str, ...] = option("--tag", help="Tag for the devices that use it; may be repeated."),
    batch: str = option(help="Batch whose votes on a gate are capped together; by default the token's own devices."),
    uses: int = option(type=click.IntRange(1, 1_000_000), default=1, help="Number of devices that may enrol."),
    expires: str = option(default="7d", help="Time until the token expires: 15m, 12h, 7d."),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Create a token and print it; it is not shown again."""
    from edgewright.schema.fleet_api import NewToken, TokenMade

    life = seconds(expires, "--expires")
    made = api.ask(
        TokenMade,
        "POST",
        "/v1/fleet/tokens",
        NewToken(product=product, tags=tags, batch=batch, uses=uses, seconds=life),
    )
    if as_json:
        print_json(made)
        return
    click.echo(made.token)
    click.echo(
        f"valid until {when(made.expires)} for {uses} device{'s' if uses > 1 else ''}, batch {made.batch}", err=True
    )


@declare("list", of=command, epilog="Example: edgewright fleet token list --fleet my-fleet")
def show(*, as_json: bool = option("--json", help="Print JSON."), api: ApiOptions) -> None:
    """List the tokens that are still valid, without their secrets."""
    from edgewright.schema.fleet_api import Tokens

    found = api.ask(Tokens, "GET", "/v1/fleet/tokens")
    if as_json:
        print_json(found)
        return
    for one in found.tokens:
        tags = ",".join(one.tags) or "-"
        click.echo(
            f"{one.id}  {one.product}  tags {tags}  uses {one.uses}  until {when(one.expires)}  by {one.made_by}"
        )
    if not found.tokens:
        click.echo("no valid tokens")


@declare("revoke", of=command, epilog="Example: edgewright fleet token revoke 0123456789abcdef --fleet my-fleet")
def revoke(*, name: str = argument(metavar="ID"), api: ApiOptions) -> None:
    """Revoke the token with this ID; devices that enrolled with it stay."""
    from edgewright.schema.fleet_api import Done

    api.ask(Done, "DELETE", f"/v1/fleet/tokens/{part(name)}")
    click.echo(f"{name} is revoked")
