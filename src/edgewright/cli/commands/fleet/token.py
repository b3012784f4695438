"""Create, list and revoke the tokens that devices enrol with."""

from __future__ import annotations

import click

from edgewright.cli.command import Aside, Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part, seconds
from edgewright.cli.text import describe, when
from edgewright.core.formatting import plural

EXAMPLE = "new --fleet my-fleet --tag north --uses 1 --expires 7d"


@declare(example="--fleet my-fleet --tag north --expires 7d")
def new(
    *,
    product: str = option(help="Product (a line of packages); optional if the fleet has one."),
    tags: tuple[str, ...] = option("--tag", help="Tag for the devices that use it; may be repeated."),
    batch: str = option(help="Batch whose votes on a gate are capped together; by default the token's own devices."),
    uses: int = option(type=click.IntRange(1, 1_000_000), default=1, help="Number of devices that may enrol."),
    expires: str = option(default="7d", help="Time until the token expires: 15m, 12h, 7d."),
    api: ApiOptions,
) -> Result:
    """Create a token and print it; it is not shown again."""
    from edgewright.fleet.protocol.api_records import NewToken, TokenMade

    life = seconds(expires, "--expires")
    request = NewToken(product=product, tags=tags, batch=batch, uses=uses, seconds=life)
    token = api.ask(TokenMade, "POST", "/v1/fleet/tokens", request)
    until = Aside(f"valid until {when(token.expires)} for {plural(uses, 'device')}, batch {token.batch}")
    return Result(token, [token.token, until], compact=True)


@declare(example="--fleet my-fleet", name="list")
def show(*, api: ApiOptions) -> Result:
    """List the tokens that are still valid, without their secrets."""
    from edgewright.fleet.protocol.api_records import Tokens

    known = api.ask(Tokens, "GET", "/v1/fleet/tokens")
    return Result(known, describe(known.tokens) if known.tokens else ["no valid tokens"], compact=True)


@declare(example="0123456789abcdef --fleet my-fleet")
def revoke(*, name: str = argument(metavar="ID"), api: ApiOptions) -> str:
    """Revoke the token with this ID; devices that enrolled with it stay."""
    from edgewright.fleet.protocol.api_records import Done

    api.ask(Done, "DELETE", f"/v1/fleet/tokens/{part(name)}")
    return f"{name} is revoked"
