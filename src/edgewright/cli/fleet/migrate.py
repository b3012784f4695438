"""`edgewright fleet migrate`: the database of an older version becomes this version's."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._api_options import print_json
from edgewright.cli.options import argument, declare, option


@declare("migrate", epilog="Example: edgewright fleet migrate my-fleet --dry-run")
def command(
    folder: Path = argument(metavar="[DIR]", default=Path()),
    dry_run: bool = option(help="Print what would change, and change nothing."),
    backup: Path | None = option(
        metavar="FILE", help="Where to write the backup. [default: a new file in DIR/backups]"
    ),
    as_json: bool = option("--json", help="Print JSON."),
) -> None:
    """Migrate the database of the fleet in DIR to this version, after a backup.

    No other command of a newer version changes an older database, except serve --migrate. Over SQLite, stop the server
    first. Over PostgreSQL, servers of the version before may go on; upgrade them one after the other.
    """
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server.database.upgrade import upgrade

    path = open_fleet(folder).folder
    done = upgrade(path, dry_run=dry_run, backup=backup)
    if as_json:
        print_json(done)
        return
    if not done.steps:
        click.echo(f"nothing to do: the database has revision {done.after}")
        return
    for number, title in done.steps:
        click.echo(f"  {number}: {title}")
    if dry_run and done.reports:
        space = f"with the backup {done.bytes_needed / 1e6:,.0f} MB of free space"
        click.echo(f"  an index over some {done.reports:,} reports: about {max(1.0, done.seconds):,.0f} s, {space}")
    if dry_run:
        click.echo(f"would migrate from revision {done.before} to {done.after}; nothing was changed")
        return
    click.echo(f"migrated from revision {done.before} to {done.after}; the backup is {done.backup}")
