"""`edgewright fleet finish`: publishes a change that others have signed."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgewright.cli.fleet._folder import fleet_option, keys_options, passphrases, say
from edgewright.cli.output import print_json


@click.command("finish", epilog="Example: edgewright fleet finish release-7.json --fleet my-fleet")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@fleet_option
@keys_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    file: Path, folder: Path, keys: tuple[Path, ...], passphrase_files: tuple[Path, ...], as_json: bool
) -> None:
    """Publish a change that `--prepare FILE` wrote, once as many have signed it as its roles ask for.

    Keys that are at hand here sign it too.
    """
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.changes import read_change
    from edgewright.fleet.repository.folder import open_fleet

    fleet, now = open_fleet(folder), time.time()
    ring = fleet.ring(keys, passphrases(passphrase_files))
    with writing(fleet, now, ring):
        settled = settle(fleet, read_change(file), ring, now)
    if as_json:
        print_json(settled)
    else:
        say(settled, folder)
