"""`edgewright fleet rollout confirm`: sign an abort with the offline keys."""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.commands.fleet._folder import FLEET, PREPARE, KeyOptions, settled_lines


@declare(example="pump-7-3f9c --fleet my-fleet --keys /media/usb")
def command(
    *,
    plan: str = argument(),
    folder: Path = FLEET,
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Sign the abort of PLAN with the offline keys, so that no stolen online key can revive it.

    `fleet rollout abort` takes effect at once, under the online keys. Confirm it as soon as the offline keys are at
    hand, revoke enrolment tokens that you made before and make new ones: a new device accepts nothing older than the
    version that its token names. A rollout that is still under way is aborted, too.
    """
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.publication import prepare_abort

    fleet, now = open_fleet(folder), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring):
        settled = settle(fleet, prepare_abort(fleet, plan, now), ring, now, prepare)
    return Result(settled, settled_lines(settled, folder))
