"""Stolen online keys end to end: what a thief publishes, what devices make of it, and how the fleet comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.fleet.protocol.layout import ONLINE
from edgewright.fleet.repository import key_rotation
from edgewright.fleet.server.rollouts.worker import _not_behind
from fleet_folder import apply
from key_thief import FAR, Thief
from threat_fleet import DAY, HOUR, Town, town

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


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
        assert all(unit.trust.latest().versions["timestamp"] > FAR for unit in made.units)
        assert [unit for unit in made.units if unit.counter == made.new.counter] == exposed
        if not served:
            made.fall()
        rotate(made, roles)
        if not served:
            _not_behind(made.rise("again").plane, made.server.conductor)
        made.run(HOUR)
        assert all(unit.trust.latest().versions["timestamp"] < FAR for unit in made.units), made.units[0].agent.why
        thief.push(plan, body)
        made.server.rollouts.steer(plan.id, "ann", "running")
        made.run(8 * HOUR)
        assert made.server.row().state == "finished"
        assert set(made.counters()) == {made.new.counter}
