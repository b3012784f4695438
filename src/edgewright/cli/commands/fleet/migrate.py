"""`edgewright fleet migrate`: the database of an older version becomes this version's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.command import Result, argument, declare, option

if TYPE_CHECKING:
    from edgewright.fleet.server.database.upgrade import Migration


@declare(example="my-fleet --dry-run")
def command(
    folder: Path = argument(metavar="[DIR]", default=Path()),
    dry_run: bool = option(help="Print what would change, and change nothing."),
    backup: Path | None = option(
        metavar="FILE", help="Where to write the backup. [default: a new file in DIR/backups]"
    ),
) -> Result:
    """Migrate the database of the fleet in DIR to this version, after a backup.

    No other command of a newer version changes an older database, except serve --migrate. Over SQLite, stop the server
    first. Over PostgreSQL, servers of the version before may go on; upgrade them one after the other.
    """
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server.database.upgrade import upgrade

    path = open_fleet(folder).folder
    done = upgrade(path, dry_run=dry_run, backup=backup)
    return Result(done, _lines(done, dry_run), compact=True)


def _lines(done: Migration, dry_run: bool) -> Iterator[str]:
    if not done.steps:
        yield f"nothing to do: the database has revision {done.after}"
        return
    for number, title in done.steps:
        yield f"  {number}: {title}"
    if dry_run and done.reports:
        space = f"with the backup {done.bytes_needed / 1e6:,.0f} MB of free space"
        yield f"  an index over some {done.reports:,} reports: about {max(1.0, done.seconds):,.0f} s, {space}"
    if dry_run:
        yield f"would migrate from revision {done.before} to {done.after}; nothing was changed"
    else:
        yield f"migrated from revision {done.before} to {done.after}; the backup is {done.backup}"
