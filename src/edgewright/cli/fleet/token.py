"""`edgewright fleet token`: what devices enrol with."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, api_options, part, print_json, seconds, when


@click.group("token", epilog="Example: edgewright fleet token new --fleet my-fleet --tag north --uses 1 --expires 7d")
def command() -> None:
    """Make, list and revoke the tokens that devices enrol with."""


@command.command("new", epilog="Example: edgewright fleet token new --fleet my-fleet --tag north --expires 7d")
@click.option("--product", default="", help="Line of packages; may be left out where the fleet has one.")
@click.option("--tag", "tags", multiple=True, help="That its devices get; may be given again.")
@click.option("--batch", default="", help="Whose votes are capped together; by default the token's own devices.")
@click.option("--uses", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Devices that may enrol.")
@click.option("--expires", default="7d", show_default=True, help="Time for which it holds: 15m, 12h, 7d.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@api_options
def new(
    product: str,
    tags: tuple[str, ...],
    batch: str,
    uses: int,
    expires: str,
    as_json: bool,
    api: ApiOptions,
) -> None:
    """Make a token and print it; it is not shown again."""
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
        f"holds until {when(made.expires)} for {uses} device{'s' if uses > 1 else ''}, batch {made.batch}", err=True
    )


@command.command("list", epilog="Example: edgewright fleet token list --fleet my-fleet")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@api_options
def show(as_json: bool, api: ApiOptions) -> None:
    """List the tokens that can still be used, without their secrets."""
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
        click.echo("no token can be used")


@command.command("revoke", epilog="Example: edgewright fleet token revoke 0123456789abcdef --fleet my-fleet")
@click.argument("name", metavar="ID")
@api_options
def revoke(name: str, api: ApiOptions) -> None:
    """Make the token with this ID useless; devices that enrolled with it stay."""
    from edgewright.schema.fleet_api import Done

    api.ask(Done, "DELETE", f"/v1/fleet/tokens/{part(name)}")
    click.echo(f"{name} is revoked")
