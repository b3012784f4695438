"""`edgewright fleet audit`: what operators and the fleet itself did, in a chain that shows when it is changed."""

from __future__ import annotations

import click
import msgspec

from edgewright.cli.fleet._api_options import ApiOptions, print_json, when
from edgewright.cli.options import declare, option
from edgewright.schema.errors import CheckFailedError


@click.group("audit", epilog="Example: edgewright fleet audit show --fleet my-fleet")
def command() -> None:
    """Show and verify the audit log."""


@declare("show", of=command, epilog="Example: edgewright fleet audit show --last 20 --fleet my-fleet")
def show(
    *,
    last: int = option(type=click.IntRange(1, 1000), default=50, help="Number of entries."),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """Show the newest entries of the audit log, the newest last."""
    from edgewright.schema.fleet_api import AuditPage

    found = api.ask(AuditPage, "GET", f"/v1/fleet/audit?limit={last}")
    if as_json:
        print_json(found)
        return
    for row in reversed(found.rows):
        detail = msgspec.json.encode(row.detail).decode()
        click.echo(f"{row.number:>6}  {when(row.at)}  {row.who:<16} {row.what:<20} {row.subject}  {detail}")


@declare("verify", of=command, epilog="Example: edgewright fleet audit verify --fleet my-fleet")
def verify(*, as_json: bool = option("--json", help="Print JSON."), api: ApiOptions) -> None:
    """Verify the whole hash chain; exits with 1 if an entry was changed or is missing.

    Store the last hash elsewhere from time to time: only this detects a chain whose end was cut off.
    """
    from edgewright.schema.fleet_api import AuditVerified

    found = api.ask(AuditVerified, "GET", "/v1/fleet/audit/verified")
    if as_json:
        print_json(found)
    if found.problem:
        raise CheckFailedError(f"the audit log is broken: {found.problem}; {found.rows:,} rows before it are valid")
    if not as_json:
        click.echo(f"{found.rows:,} rows are valid; the last hash is {found.last}")
