"""`edgewright fleet key revoke`: a key that was lost or stolen counts no longer."""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.cli.fleet._folder import FLEET, PREPARE, KeyOptions
from edgewright.cli.options import argument, declare, option


@declare("revoke", epilog="Example: edgewright fleet key revoke 3f9c2b71 --fleet my-fleet --keys /media/usb")
def command(
    *,
    key: str = argument(metavar="KEYID"),
    folder: Path = FLEET,
    alone: bool = option("--without-replacement", help="Make no key in its place."),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:
    """Take the key that begins with KEYID away from its role, and put a new one in its place.

    What the role signs is signed anew at once. Where one online key was stolen, take it that all three were, and
    rotate rollouts, snapshot and timestamp: devices then also forget versions that a thief may have run ahead to.
    """
    from edgewright.cli.keys.rotate import change_keys
    from edgewright.fleet.repository.acceptance import read_held, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.key_rotation import role_with

    fleet = open_fleet(folder)
    with writing(fleet, time.time()):
        role = role_with(read_held(fleet), key)
        make = 0 if alone else 1
        change_keys(fleet, role, signing, prepare, as_json, remove=[key], make=make)
