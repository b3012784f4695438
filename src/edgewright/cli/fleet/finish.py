"""`edgewright fleet finish`: publishes a change that others have signed."""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.cli.fleet._folder import FLEET, KeyOptions, say
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json


@declare("finish", epilog="Example: edgewright fleet finish release-7.json --fleet my-fleet")
def command(
    *,
    file: Path = argument(metavar="FILE"),
    folder: Path = FLEET,
    signing: KeyOptions,
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:
    """Publish a change that `--prepare FILE` wrote, once it has enough signatures.

    Keys that are available here sign it too.
    """
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.changes import read_change
    from edgewright.fleet.repository.folder import open_fleet

    fleet, now = open_fleet(folder), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring):
        settled = settle(fleet, read_change(file), ring, now)
    if as_json:
        print_json(settled)
    else:
        say(settled, folder)
