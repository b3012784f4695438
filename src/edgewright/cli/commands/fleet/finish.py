"""`edgewright fleet finish`: publishes a change that others have signed."""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._folder import FLEET, KeyOptions, settled_lines


@declare(example="release-7.json --fleet my-fleet")
def command(
    *,
    file: Path = argument(metavar="FILE"),
    folder: Path = FLEET,
    signing: KeyOptions,
) -> Result:
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
    return Result(settled, settled_lines(settled, folder))
