"""`edgewright fleet init`: keys, first signed metadata, and the ceremony."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from edgewright.cli.fleet._folder import passphrase_option, passphrases
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.repository.creation import Quorum

F = TypeVar("F", bound=Callable[..., object])


def quorum_options(function: F) -> F:
    """How many keys each offline role has, and how many of them must sign."""
    for role, keys, threshold in (("releases", 2, 1), ("targets", 3, 2), ("root", 3, 2)):
        few = click.IntRange(1, 16)
        function = click.option(
            f"--{role}-threshold", type=few, metavar="N", help=f"Signatures {role} needs.  [default: {threshold}]"
        )(function)
        function = click.option(
            f"--{role}-keys", type=few, metavar="N", help=f"Keys of {role}.  [default: {keys}]"
        )(function)  # fmt: skip
    return function


def quorums(given: dict[str, int | None]) -> dict[str, Quorum]:
    """Of root, targets and releases; a threshold that was not given is a majority of keys that were."""
    from edgewright.fleet.repository.creation import USUAL, Quorum

    found = {}
    for role, usual in USUAL.items():
        keys, threshold = given[f"{role}_keys"], given[f"{role}_threshold"]
        if threshold is None:
            threshold = usual.threshold if keys is None else min(usual.threshold, keys // 2 + 1)
        found[role] = Quorum(keys=max(usual.keys, threshold) if keys is None else keys, threshold=threshold)
    return found


@click.command("init", epilog="Example: edgewright fleet init my-fleet --product pump --passphrase-file secret.txt")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", default="", help="Of the fleet, for people; the folder's name when left out.")
@click.option("--product", "products", multiple=True, metavar="NAME",
              help="Line of packages that devices follow; may be given several times.  [default: main]")  # fmt: skip
@click.option("--address", default="", metavar="URL", help="Under which devices will reach the fleet.")
@quorum_options
@passphrase_option
@click.option("--json", "as_json", is_flag=True, help="Print the ceremony as JSON.")
def command(
    folder: Path, name: str, products: tuple[str, ...], address: str, passphrase_files: tuple[Path, ...],
    as_json: bool, **given: int | None,
) -> None:  # fmt: skip
    """Make a fleet in DIR: keys, signed metadata, and a list of what to do with the keys.

    Offline keys (root, targets, releases) are meant to leave this machine; the printed steps say which goes where and
    how to check it. Online keys (rollouts, snapshot, timestamp) stay with `fleet serve`.
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
    made, keys = create_fleet(folder, settings, quorums(given), passphrase, time.time())
    told = ceremony(folder, root_hash(made), role_keys(read_published(made)), keys)
    if as_json:
        print_json(told)
        return
    click.echo("\n".join(lines(told)))
