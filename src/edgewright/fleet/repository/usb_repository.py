"""Updates by USB stick: a second repository with its own root, signed for 90 days, for devices without a network.

Devices pin its root separately from the network's. A lost or copied stick is therefore invalid over the network, and
metadata from the network is invalid on a stick after the network's lifetime of one day.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile

from edgewright.fleet.protocol.keys.files import Ring
from edgewright.fleet.protocol.layout import PLANS, plan_target
from edgewright.fleet.repository import changes, metadata, releases
from edgewright.fleet.repository.acceptance import publish, read_held, settle, writing
from edgewright.fleet.repository.creation import Quorum, create_fleet
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.fleet.repository.public_files import read_index, read_published, read_target, write_targets
from edgewright.fleet.repository.static_export import Exported, export
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import KeyMade
from edgewright.schema.fleet_plan import Plan, Standings

FOLDER = "stick"
ON_STICK = "edgewright"


def init_stick(
    fleet: Fleet, quorums: Mapping[str, Quorum], passphrase: bytes | None, now: float
) -> tuple[Fleet, list[KeyMade]]:
    """Create the repository for USB sticks in the folder of a fleet.

    Raises:
        InputError: the repository exists already.
        OutputError: the folder cannot be written.
    """
    name = f"{fleet.settings.name} on sticks"[:100]
    settings = msgspec.structs.replace(fleet.settings, name=name, stick=True, signers={}, address="")
    return create_fleet(fleet.folder / FOLDER, settings, quorums, passphrase, now)


def open_stick(fleet: Fleet) -> Fleet:
    """Open the repository for USB sticks of a fleet.

    Raises:
        InputError: the fleet has none.
    """
    if not (fleet.folder / FOLDER).is_dir():
        do = "Make it with `edgewright fleet stick init`"
        raise InputError("a repository for sticks", "none", str(fleet.folder / FOLDER), do)
    return open_fleet(fleet.folder / FOLDER)


def write_stick(fleet: Fleet, mount: Path, ring: Ring, now: float) -> Exported:
    """Sign the files of the fleet's rollouts with the stick's keys and write them to a mounted stick.

    Args:
        fleet: fleet with the standings, plans and packages.
        mount: mount point of the stick; the function writes to its folder `edgewright`.
        ring: the stick's keys of releases, rollouts, snapshot and timestamp.
        now: seconds since 1970.

    Raises:
        InputError: no stick is mounted there, keys are missing, or the fleet has no rollout.
        OutputError: a file cannot be written.
    """
    if not mount.is_dir():
        raise InputError("the folder where a stick is mounted", "none", str(mount), "Mount it first")
    stick = open_stick(fleet)
    with writing(stick, now, ring):
        role_files = read_published(fleet)
        index = read_index(fleet, role_files)
        needed = _needed(fleet, role_files, index)
        own = read_held(stick)
        have = metadata.named_targets(own)
        new = [file for path, file in needed.items() if path not in have]
        if new:
            contents = {file.path: read_target(fleet, file.path, file.hashes["sha256"]) for file in new}
            roles = releases.with_targets(own, new, now)
            change = changes.change(f"{len(new)} targets for sticks", roles, write_targets(stick, contents))
            settle(stick, change, ring, now)
        publish(stick, {}, now, ring, index)
        return export(stick, mount / ON_STICK, now)


def _needed(fleet: Fleet, role_files: Mapping[str, bytes], index: bytes | None) -> dict[str, TargetFile]:
    """Return the targets of all rollouts: plans, packages and rollback releases, as signed for the network."""
    standings = msgspec.json.decode(index, type=Standings) if index else None
    if standings is None or not standings.rollouts:
        do = "Start one: edgewright fleet rollout start"
        raise InputError("a rollout for the stick to carry", "none", str(fleet.folder), do)
    signed = metadata.named_targets(role_files)
    needed = {}
    for standing in standings.rollouts:
        file = signed.get(plan_target(standing.plan))
        if file is None:
            raise InputError("the plan of each rollout", "none", f"{PLANS}, {standing.plan}")
        plan = msgspec.json.decode(read_target(fleet, file.path, file.hashes["sha256"]), type=Plan)
        needed[file.path] = file
        for release in (plan.release, *([plan.revert] if plan.revert else [])):
            needed[release.target] = signed[release.target]
    return needed
