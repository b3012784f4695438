"""`edgewright fleet init`: keys, first signed metadata, and the ceremony."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import PASSPHRASES, passphrases
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.repository.creation import Quorum


def _count(role: str, thing: str, usual: int) -> Any:  # noqa: ANN401 - a field
    words = f"Number of {role} keys." if thing == "keys" else f"Signatures that {role} needs."
    return option(type=click.IntRange(1, 16), metavar="N", help=f"{words}  [default: {usual}]")


@dataclass(frozen=True, kw_only=True)
class QuorumOptions:
    """How many keys each offline role has, and how many of them must sign."""

    root_keys: int | None = _count("root", "keys", 3)
    root_threshold: int | None = _count("root", "threshold", 2)
    targets_keys: int | None = _count("targets", "keys", 3)
    targets_threshold: int | None = _count("targets", "threshold", 2)
    releases_keys: int | None = _count("releases", "keys", 2)
    releases_threshold: int | None = _count("releases", "threshold", 1)

    def read(self) -> dict[str, Quorum]:
        """Of root, targets and releases; a threshold that was not given is a majority of keys that were."""
        from edgewright.fleet.repository.creation import USUAL, Quorum

        quorums = {}
        for role, usual in USUAL.items():
            keys, threshold = getattr(self, f"{role}_keys"), getattr(self, f"{role}_threshold")
            if threshold is None:
                threshold = usual.threshold if keys is None else min(usual.threshold, keys // 2 + 1)
            quorums[role] = Quorum(keys=max(usual.keys, threshold) if keys is None else keys, threshold=threshold)
        return quorums


@declare(example="my-fleet --product pump --passphrase-file secret.txt")
def command(
    *,
    folder: Path = argument(metavar="DIR"),
    name: str = option(help="Name of the fleet; the folder's name by default."),
    products: tuple[str, ...] = option(
        "--product",
        metavar="NAME",
        help="Product (a line of packages) that devices follow; may be repeated. [default: main]",
    ),
    address: str = option(metavar="URL", help="Address at which devices will reach the fleet."),
    quorums: QuorumOptions,
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
) -> Result:
    """Create a fleet in DIR: keys, signed metadata, and instructions for storing the keys.

    Move the offline keys (root, targets, releases) off this machine; the printed steps say which goes where and how to
    check it. The online keys (rollouts, snapshot, timestamp) stay with `fleet serve`.
    """
    from edgewright.fleet.protocol.keys.ceremony import ceremony, lines
    from edgewright.fleet.protocol.wire.transport import checked_address
    from edgewright.fleet.repository.creation import create_fleet
    from edgewright.fleet.repository.offline import role_keys
    from edgewright.fleet.repository.public_files import read_published, root_hash
    from edgewright.schema.fleet_folder import FleetSettings

    if address:
        checked_address(address, "--address")
    record = {"name": name or folder.absolute().name, "products": products or ("main",), "address": address}
    try:
        settings = msgspec.convert(record, type=FleetSettings)
    except msgspec.ValidationError as error:
        raise InputError("a name, and products of small letters, digits and '-'", str(error), "fleet init") from None
    passphrase = next(iter(passphrases(passphrase_files)), None)
    fleet, keys = create_fleet(folder, settings, quorums.read(), passphrase, time.time())
    steps = ceremony(folder, root_hash(fleet), role_keys(read_published(fleet)), keys)
    return Result(steps, ["\n".join(lines(steps))])
