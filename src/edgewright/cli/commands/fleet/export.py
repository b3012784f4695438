"""`edgewright fleet export`: static files for any web server, object store or CDN."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare
from edgewright.core.formatting import bytes_text


@declare(example="my-fleet /srv/www/fleet")
def command(
    *,
    folder: Path = argument(metavar="DIR"),
    out: Path = argument(metavar="OUT"),
) -> Result:
    """Copy all files that devices of the fleet in DIR request to OUT, the timestamp last.

    Files with a version or hash in their names never change and can be cached for ever; OUT/CACHING.md says how long
    the others can be. Files already in OUT stay, so that a device in the middle of an update finds them. Exits with 1
    if the timestamp has expired.
    """
    from edgewright.fleet.repository.folder import locked, open_fleet
    from edgewright.fleet.repository.static_export import NOTE, export

    fleet = open_fleet(folder)
    with locked(fleet):
        written = export(fleet, out, time.time())

    def text() -> Iterator[str]:
        yield (f"{written.written} files written ({bytes_text(written.bytes)}), {written.kept} existed already")
        yield f"the timestamp is valid until {written.expires}; export again before then"
        for kind, value in written.cache.items():
            yield f"  {kind:<44} Cache-Control: {value}"
        yield f"also written to {click.format_filename(out / NOTE)}"

    return Result(written, text())
