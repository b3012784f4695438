"""`edgewright fleet key list`: who may sign what, and which keys are at hand."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, declare
from edgewright.cli.commands.fleet._folder import FLEET, KeyOptions


@declare(example="--fleet my-fleet --keys /media/usb")
def command(*, folder: Path = FLEET, signing: KeyOptions) -> Result:
    """List roles, thresholds, keys, their files, and when the signed metadata expires."""
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.offline import role_keys
    from edgewright.fleet.repository.public_files import root_hash

    fleet = open_fleet(folder)
    roles = role_keys(read_held(fleet))
    ring = signing.ring(fleet)
    here = {key: str(ring.file(key) or "") for role in roles for key in role.keys}
    lines = [f"root fingerprint (SHA-256 of the newest root.json): {root_hash(fleet)}"]
    for role in roles:
        lines.append(f"{role.role}: {role.threshold} of {len(role.keys)}, version {role.version}, until {role.expires}")
        lines += [f"  {key[:16]}  {f'at hand, {here[key]}' if here[key] else 'not here'}" for key in role.keys]
    return Result({"root": root_hash(fleet), "roles": roles, "at_hand": here}, lines)
