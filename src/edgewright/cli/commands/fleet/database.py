"""`edgewright fleet database`: which database a fleet has, and moving it to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option


@declare(example="my-fleet --to postgresql://fleet@10.0.0.5/fleet")
def command(
    *,
    folder: Path = argument(metavar="[DIR]", default=Path()),
    address: str = option("--to", metavar="URL", help="Move everything to this empty PostgreSQL database."),
) -> Result:
    """Show which database the fleet in DIR uses; with --to, move it to PostgreSQL.

    One SQLite file is enough until one machine is not (see docs/scale.md). Stop all servers first. The SQLite file is
    kept under another name.
    """
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server.database import copy, postgres, sqlite

    path = open_fleet(folder).folder
    if not address:
        database = postgres.address(path)
        shown = postgres.shown(database) if database else str(path / sqlite.NAME)
        return Result({"database": shown}, [shown], compact=True)
    counts = copy.move(path, address)

    def text() -> Iterator[str]:
        total = sum(counts.values())
        yield f"{postgres.shown(address)}: {total:,} rows in {len(counts)} tables; the audit log is whole"
        yield f"next: edgewright fleet serve {click.format_filename(folder)}"

    return Result({"database": postgres.shown(address), "rows": counts}, text(), compact=True)
