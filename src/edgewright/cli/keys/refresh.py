"""`edgewright fleet key refresh`: signs what is about to expire, as it is, for longer."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgewright.cli.fleet._folder import FLEET, PREPARE, KeyOptions, say
from edgewright.cli.options import declare, option
from edgewright.cli.output import print_json


@declare("refresh", epilog="Example: edgewright fleet key refresh --fleet my-fleet --keys /media/usb")
def command(
    *,
    folder: Path = FLEET,
    within: float = option(
        type=click.FloatRange(0), default=30.0, metavar="DAYS", help="Re-sign what expires within this many days."
    ),
    everything: bool = option("--all", help="Re-sign every offline role."),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:
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
        held = read_held(fleet)
        roles = offline.offline_roles(held) if everything else due(held, now, within * 86400.0)
        if roles:
            settled = settle(fleet, refresh(fleet, roles, now), ring, now, prepare)
        elif fleet.managed():
            settled = Settled(about="no offline role expires soon; the control plane signs the rest", state="waiting")
        else:
            publish(fleet, {}, now, ring)
            settled = Settled(about="rollouts, snapshot and timestamp for longer", state="published")
    if as_json:
        print_json(settled)
    elif roles or not fleet.managed():
        say(settled, folder)
    else:
        click.echo(settled.about)
