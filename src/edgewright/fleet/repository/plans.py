"""Publishing a plan, all in one: signed with the keys at hand and published, or laid down for the control plane."""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.fleet.repository.acceptance import settle, writing
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.repository.publication import prepare_plan
from edgewright.schema.fleet_plan import Plan


def publish_plan(
    folder: Path, plan: Plan, *, keys: tuple[Path, ...] = (), passphrases: tuple[bytes, ...] = (),
    now: float | None = None,
) -> bytes:  # fmt: skip
    """Signs `plans/ID.json` into `releases`.

    Where a control plane publishes, the signed change waits in `incoming` and is taken in by it
    (`accepting.waiting`); where there is none, it is published when this returns.

    Args:
        folder: of the fleet.
        plan: whose releases are signed already.
        keys: folders with keys of `releases` beside those in the fleet's own folder.
        passphrases: of these keys.
        now: seconds since 1970; the clock's when None.

    Returns:
        The plan's bytes, whose SHA-256 the standings name.

    Raises:
        InputError: too few keys, an id in use, or a release that is not signed as the plan says.
        OutputError: a file cannot be written.
    """
    moment = time.time() if now is None else now
    fleet = open_fleet(folder)
    ring = fleet.ring(keys, passphrases)
    with writing(fleet, moment, ring):
        asked, data = prepare_plan(fleet, plan, moment)
        settle(fleet, asked, ring, moment)
    return data
