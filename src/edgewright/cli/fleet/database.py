"""`edgewright fleet database`: which database a fleet has, and moving it to PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._api_options import print_json


@click.command("database", epilog="Example: edgewright fleet database my-fleet --to postgresql://fleet@10.0.0.5/fleet")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--to", "address", default="", metavar="URL", help="Move everything to this empty PostgreSQL database.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, address: str, as_json: bool) -> None:
    """Show which database the fleet in DIR uses; with --to, move it to PostgreSQL.

    One SQLite file is enough until one machine is not (see docs/scale.md). Stop all servers first. The SQLite file is
    kept under another name.
    """
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server.database import copy, postgres, sqlite

    path = open_fleet(folder).folder
    if not address:
        held = postgres.address(path)
        shown = postgres.shown(held) if held else str(path / sqlite.NAME)
        if as_json:
            print_json({"database": shown})
        else:
            click.echo(shown)
        return
    counts = copy.move(path, address)
    if as_json:
        print_json({"database": postgres.shown(address), "rows": counts})
        return
    total = sum(counts.values())
    click.echo(f"{postgres.shown(address)}: {total:,} rows in {len(counts)} tables; the audit log is whole")
    click.echo(f"next: edgewright fleet serve {click.format_filename(folder)}")
