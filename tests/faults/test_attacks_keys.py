"""Stolen online keys end to end: what a thief publishes, what devices make of it, and how the fleet comes back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from securesystemslib.signer import Signer

from edgewright.fleet.protocol.layout import INDEX, ONLINE
from edgewright.fleet.repository import key_rotation
from edgewright.fleet.repository.acceptance import online_signers
from edgewright.fleet.repository.online import sign_online
from edgewright.fleet.repository.public_files import read_published, write_roles, write_targets
from edgewright.fleet.server.rollouts.worker import _not_behind
from edgewright.schema.fleet_plan import Plan, Standing, Standings
from fleet_folder import apply
from threat_fleet import DAY, HOUR, Town, town

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

FAR = 1 << 30


class Thief:
    """Somebody who copied the online keys once, and may write the folder that devices read."""

    def __init__(self, made: Town) -> None:
        self.made = made
        self.held = read_published(made.fleet)
        self.signers: Mapping[str, Signer] = online_signers(made.fleet, self.held)

    def push(self, plan: Plan, body: bytes, ahead: float = 0.0, above: int = FAR) -> None:
        """Say that the last stage has begun, as late as he likes, under versions as high as he likes."""
        now = self.made.clock.now + ahead
        standing = Standing(
            plan=plan.id, sha256=hashlib.sha256(body).hexdigest(), product="main", state="running",
            stage=len(plan.stages) - 1, entered=now,
        )  # fmt: skip
        own = msgspec.structs.replace(standing, plan="of-the-thief", sha256="0" * 64)
        targets = {INDEX: msgspec.json.encode(Standings(issued=now, rollouts=(own, standing)))}
        write_targets(self.made.fleet, targets)
        counted = dict.fromkeys(ONLINE, above)
        write_roles(self.made.fleet, sign_online(self.held, targets, self.signers, now, {}, above=counted))


def rotate(made: Town, roles: tuple[str, ...]) -> None:
    """As `edgewright fleet key rotate ROLE` for each; a control plane takes the changes in."""
    for role in roles:
        change, keys = key_rotation.rotate(made.fleet, role, made.clock.now)
        with key_rotation.kept_when_done(made.fleet, keys):
            apply(made.fleet, change, made.clock.now)


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("roles", [ONLINE, ONLINE[::-1]])
def test_stolen_keys_that_ran_versions_and_time_ahead_are_rotated_and_the_rollout_goes_on(
    tmp_path: Path, roles: tuple[str, ...], served: bool
) -> None:
    with town(tmp_path, 6) as made:
        plan = made.plan("first")
        body = made.roll_out(plan)
        made.run(HOUR)
        exposed = [unit for unit in made.units if unit.counter == made.new.counter]
        assert exposed and exposed == made.within(plan, 10.0)
        assert made.server is not None
        made.server.rollouts.steer(plan.id, "ann", "paused", "to look at the canary")
        made.run(HOUR / 2)
        thief = Thief(made)
        thief.push(plan, body, ahead=20 * DAY)
        made.run(4 * HOUR)
        # They believe it for what it is: signed by keys that count. It brings nobody beyond the plan and its gates.
        assert all(unit.trust.held().versions["timestamp"] > FAR for unit in made.units)
        assert [unit for unit in made.units if unit.counter == made.new.counter] == exposed
        if not served:
            made.fall()
        rotate(made, roles)
        if not served:
            _not_behind(made.rise("again").plane, made.server.conductor)
        made.run(HOUR)
        assert all(unit.trust.held().versions["timestamp"] < FAR for unit in made.units), made.units[0].agent.why
        thief.push(plan, body)
        made.server.rollouts.steer(plan.id, "ann", "running")
        made.run(8 * HOUR)
        assert made.server.row().state == "finished"
        assert set(made.counters()) == {made.new.counter}
