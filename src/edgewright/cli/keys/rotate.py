"""`edgewright fleet key rotate`: other keys for a role."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.fleet._folder import fleet_option, keys_options, prepare_option


@click.command("rotate", epilog="Example: edgewright fleet key rotate timestamp --fleet my-fleet --keys /media/usb")
@click.argument("role", metavar="ROLE")
@fleet_option
@click.option("--key", "named", multiple=True, metavar="KEYID", help="Only this key goes; all of the role otherwise.")
@click.option("--keep", is_flag=True, help="No key goes: one is added.")
@click.option("--add", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE.pub",
              help="Public half of a key that somebody made (fleet key new), instead of making one here.")  # fmt: skip
@click.option("--threshold", type=click.IntRange(1), metavar="N", help="Signatures that the role needs from now on.")
@keys_options
@prepare_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    role: str, folder: Path, named: tuple[str, ...], keep: bool, files: tuple[Path, ...], threshold: int | None,
    keys: tuple[Path, ...], passphrase_files: tuple[Path, ...], prepare: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Give ROLE (root, targets, releases, rollouts, snapshot or timestamp) new keys.

    Keys of root sign a change of root, targets, snapshot and timestamp; keys of targets one of releases and rollouts.
    A new root is signed by the old keys and the new ones, and every version of it is kept, so that a device that was
    away for years can follow.
    """
    import time

    from edgewright.cli.keys._key_change import change_keys
    from edgewright.fleet.protocol.keys.files import read_public
    from edgewright.fleet.repository.acceptance import writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.schema.errors import InputError

    if keep and named:
        raise InputError("--keep or --key", "both", "fleet key rotate")
    add = [read_public(file) for file in files]
    fleet = open_fleet(folder)
    remove = [] if keep else list(named) or None
    make = (0 if add or threshold else 1) if keep else None
    with writing(fleet, time.time()):
        change_keys(
            fleet, role, keys, passphrase_files, prepare, as_json, remove=remove, add=add, make=make,
            threshold=threshold,
        )  # fmt: skip


COMMAND = command
