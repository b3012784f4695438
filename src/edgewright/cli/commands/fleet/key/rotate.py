"""`edgewright fleet key rotate`: other keys for a role."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import FLEET, PREPARE, KeyOptions, passphrases, settled_lines
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.repository.folder import Fleet


def change_keys(
    fleet: Fleet, role: str, signing: KeyOptions, prepare: Path | None, **how: Any  # noqa: ANN401 - of `rotate`
) -> Result:  # fmt: skip
    """Give a role other keys; the caller holds the lock.

    Args:
        fleet: whose role.
        role: its name.
        signing: keys at hand.
        prepare: file for others to sign.
        how: as `key_rotation.rotate` takes it.
    """
    from edgewright.fleet.repository import offline
    from edgewright.fleet.repository.acceptance import read_held, settle
    from edgewright.fleet.repository.changes import role_files
    from edgewright.fleet.repository.key_rotation import kept_when_done, rotate

    opened, now = passphrases(signing.passphrase_files), time.time()
    before = offline.role_of(read_held(fleet), role).keyids
    change, new = rotate(fleet, role, now, passphrase=next(iter(opened), None), **how)
    with kept_when_done(fleet, new):
        settled = settle(fleet, change, fleet.ring(signing.keys, opened), now, prepare)
    ring = fleet.ring(signing.keys, opened)
    after = {key for r in offline.role_keys({**read_held(fleet), **role_files(change)}) for key in r.keys}
    gone = [str(ring.file(key)) for key in before if key not in after and ring.file(key) is not None]
    lines = [f"made {key.key[:16]}  {key.file}{' (move it offline)' if key.offline else ''}" for key in new]
    lines += settled_lines(settled, fleet.folder)
    lines += [f"no longer trusted; delete it after publishing: {file}" for file in gone]
    if role == "timestamp" and settled.state != "prepared":
        lines.append("devices reset their signed time and set it from the new key")
    return Result({"change": settled, "made": new, "old_files": gone}, lines)


@declare(example="timestamp --fleet my-fleet --keys /media/usb")
def command(
    *,
    role: str = argument(metavar="ROLE"),
    folder: Path = FLEET,
    named: tuple[str, ...] = option(
        "--key", metavar="KEYID", help="Replace only this key; all keys of the role by default."
    ),
    keep: bool = option(help="Add a key and keep the others."),
    files: tuple[Path, ...] = option(
        "--add",
        type=click.Path(path_type=Path),
        metavar="FILE.pub",
        help="Public half of an existing key (fleet key new), instead of creating one here.",
    ),
    threshold: int | None = option(
        type=click.IntRange(1), metavar="N", help="Signatures that the role needs from now on."
    ),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Give ROLE (root, targets, releases, rollouts, snapshot or timestamp) new keys.

    Root keys sign a change of root, targets, snapshot and timestamp; targets keys one of releases and rollouts. A new
    root is signed by the old and the new keys, and every version of it is kept, so that a device that was offline for
    years can follow.
    """
    from edgewright.fleet.protocol.keys.files import read_public
    from edgewright.fleet.repository.acceptance import writing
    from edgewright.fleet.repository.folder import open_fleet

    if keep and named:
        raise InputError("--keep or --key", "both", "fleet key rotate")
    add = [read_public(file) for file in files]
    fleet = open_fleet(folder)
    remove = [] if keep else list(named) or None
    make = (0 if add or threshold else 1) if keep else None
    with writing(fleet, time.time()):
        return change_keys(
            fleet, role, signing, prepare, remove=remove, add=add, make=make,
            threshold=threshold,
        )  # fmt: skip
