"""`edgewright fleet key revoke`: a key that was lost or stolen counts no longer."""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import FLEET, PREPARE, KeyOptions


@declare(example="3f9c2b71 --fleet my-fleet --keys /media/usb")
def command(
    *,
    key: str = argument(metavar="KEYID"),
    folder: Path = FLEET,
    alone: bool = option("--without-replacement", help="Do not create a new key."),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Revoke the key whose id begins with KEYID, and replace it by a new one.

    Everything that the role signs is re-signed at once. If one online key was stolen, assume that all three were, and
    rotate rollouts, snapshot and timestamp: devices then also forget version numbers that an attacker may have
    advanced.
    """
    from edgewright.cli.commands.fleet.key.rotate import change_keys
    from edgewright.fleet.repository.acceptance import read_held, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.key_rotation import role_with

    fleet = open_fleet(folder)
    with writing(fleet, time.time()):
        role = role_with(read_held(fleet), key)
        return change_keys(fleet, role, signing, prepare, remove=[key], make=0 if alone else 1)
