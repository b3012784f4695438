"""Show and verify the audit log."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions
from edgewright.cli.text import when
from edgewright.core.errors import CheckFailedError

EXAMPLE = "show --fleet my-fleet"


@declare(example="--last 20 --fleet my-fleet")
def show(
    *,
    last: int = option(type=click.IntRange(1, 1000), default=50, help="Number of entries."),
    api: ApiOptions,
) -> Result:
    """Show the newest entries of the audit log, the newest last."""
    from edgewright.fleet.protocol.api_records import AuditPage

    page = api.ask(AuditPage, "GET", f"/v1/fleet/audit?limit={last}")

    def text() -> Iterator[str]:
        for row in reversed(page.rows):
            detail = msgspec.json.encode(row.detail).decode()
            yield f"{row.number:>6}  {when(row.at)}  {row.who:<16} {row.action:<20} {row.subject}  {detail}"

    return Result(page, text(), compact=True)


@declare(example="--fleet my-fleet")
def verify(*, api: ApiOptions) -> Result:
    """Verify the whole hash chain; exits with 1 if an entry was changed or is missing.

    Store the last hash elsewhere from time to time: only this detects a chain whose end was cut off.
    """
    from edgewright.fleet.protocol.api_records import AuditVerified

    verified = api.ask(AuditVerified, "GET", "/v1/fleet/audit/verified")
    if verified.problem:
        broken = f"the audit log is broken: {verified.problem}; {verified.rows:,} rows before it are valid"
        return Result(verified, [], failure=CheckFailedError(broken), compact=True)
    return Result(verified, [f"{verified.rows:,} rows are valid; the last hash is {verified.last}"], compact=True)
