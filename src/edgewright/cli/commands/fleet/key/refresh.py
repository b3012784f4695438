"""`edgewright fleet key refresh`: signs what is about to expire, as it is, for longer."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.fleet._folder import FLEET, PREPARE, KeyOptions, settled_lines


@declare(example="--fleet my-fleet --keys /media/usb")
def command(
    *,
    folder: Path = FLEET,
    within: float = option(
        type=click.FloatRange(0), default=30.0, metavar="DAYS", help="Re-sign what expires within this many days."
    ),
    everything: bool = option("--all", help="Re-sign every offline role."),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Re-sign root, targets and releases if they are about to expire.

    If no control plane runs, rollouts, snapshot and timestamp are re-signed too: do this once a day for a fleet of
    static files.
    """
    from edgewright.fleet.repository import offline
    from edgewright.fleet.repository.acceptance import publish, read_held, settle, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.key_rotation import due, refresh
    from edgewright.schema.fleet_folder import Settled

    fleet, now = open_fleet(folder), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring):
        metadata_files = read_held(fleet)
        roles = offline.offline_roles(metadata_files) if everything else due(metadata_files, now, within * 86400.0)
        if roles:
            settled = settle(fleet, refresh(fleet, roles, now), ring, now, prepare)
        elif fleet.managed():
            settled = Settled(about="no offline role expires soon; the control plane signs the rest", state="waiting")
        else:
            publish(fleet, {}, now, ring)
            settled = Settled(about="rollouts, snapshot and timestamp for longer", state="published")
    alone = not roles and fleet.managed()
    return Result(settled, [settled.about] if alone else settled_lines(settled, folder))
