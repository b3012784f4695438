"""`edgewright fleet stick`: updates by USB stick, from a repository with a root of its own."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgewright.cli.device._store import amount
from edgewright.cli.fleet._folder import FLEET, PASSPHRASES, KeyOptions, passphrases
from edgewright.cli.fleet.init import QuorumOptions
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json


@click.group("stick", epilog="Example: edgewright fleet stick write /media/usb --fleet my-fleet")
def command() -> None:
    """Update devices without a network by USB stick.

    Files on a stick are signed by their own keys, for 90 days, and count only while the stick is mounted on the device.
    """


@declare("init", of=command, epilog="Example: edgewright fleet stick init --fleet my-fleet")
def init(
    *,
    folder: Path = FLEET,
    quorums: QuorumOptions,
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
    as_json: bool = option("--json", help="Print the ceremony as JSON."),
) -> None:
    """Create the offline keys and the repository for sticks, in DIR/stick."""
    from edgewright.fleet.protocol.keys.ceremony import ceremony, lines
    from edgewright.fleet.repository.folder import locked, open_fleet
    from edgewright.fleet.repository.offline import role_keys
    from edgewright.fleet.repository.public_files import read_published, root_hash
    from edgewright.fleet.repository.usb_repository import init_stick

    fleet = open_fleet(folder)
    passphrase = next(iter(passphrases(passphrase_files)), None)
    with locked(fleet):
        made, keys = init_stick(fleet, quorums.read(), passphrase, time.time())
    told = ceremony(made.folder, root_hash(made), role_keys(read_published(made)), keys, stick=True)
    if as_json:
        print_json(told)
    else:
        click.echo("\n".join(lines(told)))


@declare(
    "write", of=command, epilog="Example: edgewright fleet stick write /media/usb --fleet my-fleet --keys /media/safe"
)
def write(
    *,
    mount: Path = argument(metavar="MOUNT"),
    folder: Path = FLEET,
    signing: KeyOptions,
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:
    """Sign the fleet's rollouts, plans and packages for sticks and write them to the stick at MOUNT."""
    from edgewright.fleet.repository.folder import locked, open_fleet
    from edgewright.fleet.repository.usb_repository import open_stick, write_stick

    fleet = open_fleet(folder)
    ring = open_stick(fleet).ring(signing.keys, passphrases(signing.passphrase_files))
    with locked(fleet):
        exported = write_stick(fleet, mount, ring, time.time())
    if as_json:
        print_json(exported)
        return
    click.echo(
        f"{exported.written} files written to {exported.folder} ({amount(exported.bytes)}), "
        f"{exported.kept} existed already"
    )
    click.echo(f"devices trust it until {exported.expires}")
