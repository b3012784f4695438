"""`edgewright fleet key revoke`: a key that was lost or stolen counts no longer."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgewright.cli.fleet._folder import fleet_option, keys_options, prepare_option


@click.command("revoke", epilog="Example: edgewright fleet key revoke 3f9c2b71 --fleet my-fleet --keys /media/usb")
@click.argument("key", metavar="KEYID")
@fleet_option
@click.option("--without-replacement", "alone", is_flag=True, help="Make no key in its place.")
@keys_options
@prepare_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    key: str, folder: Path, alone: bool, keys: tuple[Path, ...], passphrase_files: tuple[Path, ...],
    prepare: Path | None, as_json: bool,
) -> None:  # fmt: skip
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
        change_keys(fleet, role, keys, passphrase_files, prepare, as_json, remove=[key], make=make)
