"""`edgewright fleet key list`: who may sign what, and which keys are at hand."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edgewright.cli.fleet._folder import FLEET, KeyOptions
from edgewright.cli.options import declare, option
from edgewright.cli.output import print_json


@declare("list", epilog="Example: edgewright fleet key list --fleet my-fleet --keys /media/usb")
def command(*, folder: Path = FLEET, signing: KeyOptions, as_json: bool = option("--json", help="Print JSON.")) -> None:
    """List roles, thresholds, keys, their files, and when the signed metadata expires."""
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.offline import role_keys
    from edgewright.fleet.repository.public_files import root_hash

    fleet = open_fleet(folder)
    roles = role_keys(read_held(fleet))
    ring = signing.ring(fleet)
    here = {key: str(ring.file(key) or "") for role in roles for key in role.keys}
    if as_json:
        print_json({"root": root_hash(fleet), "roles": msgspec.to_builtins(roles), "at_hand": here})
        return
    click.echo(f"root fingerprint (SHA-256 of the newest root.json): {root_hash(fleet)}")
    for role in roles:
        click.echo(f"{role.role}: {role.threshold} of {len(role.keys)}, version {role.version}, until {role.expires}")
        for key in role.keys:
            click.echo(f"  {key[:16]}  {f'at hand, {here[key]}' if here[key] else 'not here'}")
