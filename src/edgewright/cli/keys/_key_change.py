"""What `rotate` and `revoke` share: make the change, settle it, say which files may go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgewright.fleet.repository.folder import Fleet


def change_keys(
    fleet: Fleet, role: str, keys: tuple[Path, ...], passphrase_files: tuple[Path, ...], prepare: Path | None,
    as_json: bool, **how: Any,  # noqa: ANN401 - as rotating.rotate takes it
) -> None:  # fmt: skip
    """Gives a role other keys; the caller holds the lock.

    Args:
        fleet: whose role.
        role: its name.
        keys: folders with keys.
        passphrase_files: of keys.
        prepare: file for others to sign.
        as_json: print JSON.
        how: as `rotating.rotate` takes it.
    """
    import time

    from edgewright.cli.device._store import print_json
    from edgewright.cli.fleet._folder import passphrases, say
    from edgewright.fleet.repository import offline
    from edgewright.fleet.repository.acceptance import read_held, settle
    from edgewright.fleet.repository.key_rotation import kept_when_done, rotate

    opened, now = passphrases(passphrase_files), time.time()
    before = offline.role_of(read_held(fleet), role).keyids
    asked, made = rotate(fleet, role, now, passphrase=next(iter(opened), None), **how)
    with kept_when_done(fleet, made):
        settled = settle(fleet, asked, fleet.ring(keys, opened), now, prepare)
    ring = fleet.ring(keys, opened)
    after = {key for r in offline.role_keys({**read_held(fleet), **_files(asked)}) for key in r.keys}
    gone = [str(ring.file(key)) for key in before if key not in after and ring.file(key) is not None]
    if as_json:
        print_json({"change": settled, "made": made, "old_files": gone})
        return
    for key in made:
        click.echo(f"made {key.key[:16]}  {key.file}{' (move it offline)' if key.offline else ''}")
    say(settled, fleet.folder)
    for file in gone:
        click.echo(f"no longer believed, delete it once this is published: {file}")
    if role == "timestamp" and settled.state != "prepared":
        click.echo("devices forget their signed time and take it anew from the new key")


def _files(asked: Any) -> dict[str, bytes]:  # noqa: ANN401 - a Change
    from edgewright.fleet.repository.changes import role_files

    return role_files(asked)
