"""Add, revoke and list operators."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from edgewright.cli.command import Aside, Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part
from edgewright.cli.text import when

EXAMPLE = "add ada --role operator --fleet my-fleet"


@declare(example="ada --role operator --fleet my-fleet")
def add(
    *,
    name: str = argument(),
    role: str = option(type=click.Choice(["viewer", "operator", "admin"]), default="viewer", help="What they may do."),
    days: float = option(
        type=click.FloatRange(0.0, 3660.0, min_open=True), default=90.0, help="Days until the token expires."
    ),
    api: ApiOptions,
) -> Result:
    """Add an operator and print the token, which is not shown again.

    A viewer reads; an operator also controls rollouts, creates enrolment tokens, and blocks, names and tags devices; an
    admin also manages operators, retires devices and lifts quarantines. Give each person and each program a name of its
    own: it is in the audit log.
    """
    from edgewright.fleet.protocol.api_records import OperatorMade

    wanted = {"name": name, "role": role, "seconds": days * 86_400.0}
    operator = api.ask(OperatorMade, "POST", "/v1/fleet/operators", wanted)
    return Result(
        operator,
        [
            operator.token,
            Aside(f"valid until {when(operator.expires)} UTC for {name}, {role}"),
        ],
        compact=True,
    )


@declare(example="ada --fleet my-fleet")
def revoke(*, name: str = argument(), api: ApiOptions) -> str:
    """Revoke an operator; the token stops working at once."""
    from edgewright.fleet.protocol.api_records import Done

    api.ask(Done, "DELETE", f"/v1/fleet/operators/{part(name)}")
    return f"{name} is revoked"


@declare(example="--fleet my-fleet", name="list")
def show(*, api: ApiOptions) -> Result:
    """List operators and until when their tokens are valid."""
    from edgewright.fleet.protocol.api_records import Operators

    page = api.ask(Operators, "GET", "/v1/fleet/operators")

    def text() -> Iterator[str]:
        for operator in page.operators:
            if operator.expires is None:
                until = "never expires: revoke it and add another"
            else:
                until = f"{'expired' if operator.expires <= time.time() else 'until'} {when(operator.expires)}"
            yield f"{operator.name:<20} {operator.role:<9} since {when(operator.made_at)}  {until}"
        if not page.operators:
            yield "no operators; commands on the fleet's own folder need none"

    return Result(page, text(), compact=True)
