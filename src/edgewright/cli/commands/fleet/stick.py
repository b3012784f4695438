"""Update devices without a network by USB stick.

Files on a stick are signed by their own keys, for 90 days, and count only while the stick is mounted on the device.
"""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._folder import FLEET, PASSPHRASES, KeyOptions, passphrases
from edgewright.cli.commands.fleet._repository import QuorumOptions
from edgewright.core.formatting import bytes_text

EXAMPLE = "write /media/usb --fleet my-fleet"


@declare(example="--fleet my-fleet")
def init(
    *,
    folder: Path = FLEET,
    quorums: QuorumOptions,
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
) -> Result:
    """Create the offline keys and the repository for sticks, in DIR/stick."""
    from edgewright.fleet.protocol.keys import ceremony, lines
    from edgewright.fleet.repository.distribution import init_stick
    from edgewright.fleet.repository.folder import locked, open_fleet, read_published, root_hash
    from edgewright.fleet.repository.metadata import role_keys

    fleet = open_fleet(folder)
    passphrase = next(iter(passphrases(passphrase_files)), None)
    with locked(fleet):
        stick_fleet, keys = init_stick(fleet, quorums.read(), passphrase, time.time())
    steps = ceremony(
        stick_fleet.folder, root_hash(stick_fleet), role_keys(read_published(stick_fleet)), keys, stick=True
    )
    return Result(steps, ["\n".join(lines(steps))])


@declare(example="/media/usb --fleet my-fleet --keys /media/safe")
def write(
    *,
    mount: Path = argument(metavar="MOUNT"),
    folder: Path = FLEET,
    signing: KeyOptions,
) -> Result:
    """Sign the fleet's rollouts, plans and packages for sticks and write them to the stick at MOUNT."""
    from edgewright.fleet.repository.distribution import open_stick, write_stick
    from edgewright.fleet.repository.folder import locked, open_fleet

    fleet = open_fleet(folder)
    ring = open_stick(fleet).ring(signing.keys, passphrases(signing.passphrase_files))
    with locked(fleet):
        exported = write_stick(fleet, mount, ring, time.time())
    return Result(
        exported,
        [
            f"{exported.written} files written to {exported.folder} ({bytes_text(exported.bytes)}), "
            f"{exported.kept} existed already",
            f"devices trust it until {exported.expires}",
        ],
    )
