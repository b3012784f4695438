"""`edgewright fleet backup`: a copy of the database, while the fleet is served."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._api_options import print_json
from edgewright.cli.options import argument, declare, option


@declare("backup", epilog="Example: edgewright fleet backup my-fleet my-fleet-monday.sqlite")
def command(
    folder: Path = argument(metavar="DIR"),
    file: Path = argument(metavar="FILE"),
    as_json: bool = option("--json", help="Print JSON."),
) -> None:
    """Copy the database of the fleet in DIR to FILE, as a consistent snapshot without keys or signed files.

    The copy is a SQLite file, whichever database the fleet uses.
    """
    from edgewright.fleet.server.database.copy import backup

    size = backup(folder, file)
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        click.echo(f"{click.format_filename(file)}: {size:,} bytes")
