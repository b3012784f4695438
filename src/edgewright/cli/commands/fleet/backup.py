"""`edgewright fleet backup`: a copy of the database, while the fleet is served."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare


@declare(example="my-fleet my-fleet-monday.sqlite")
def command(
    folder: Path = argument(metavar="DIR"),
    file: Path = argument(metavar="FILE"),
) -> Result:
    """Copy the database of the fleet in DIR to FILE, as a consistent snapshot without keys or signed files.

    The copy is a SQLite file, whichever database the fleet uses.
    """
    from edgewright.fleet.server.database.copy import backup

    size = backup(folder, file)
    return Result({"file": str(file), "bytes": size}, [f"{click.format_filename(file)}: {size:,} bytes"], compact=True)
