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


def rotate(fleet_town: Town, roles: tuple[str, ...]) -> None:
    """As `edgewright fleet key rotate ROLE` for each; a control plane takes the changes in."""
    for role in roles:
        change, keys = key_rotation.rotate(fleet_town.fleet, role, fleet_town.clock.now)
        with key_rotation.kept_when_done(fleet_town.fleet, keys):
            apply(fleet_town.fleet, change, fleet_town.clock.now)


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("roles", [ONLINE, ONLINE[::-1]])
def test_stolen_keys_that_ran_versions_and_time_ahead_are_rotated_and_the_rollout_goes_on(
    tmp_path: Path, roles: tuple[str, ...], served: bool
) -> None:
    with town(tmp_path, 6) as fleet_town:
        plan = fleet_town.plan("first")
        body = fleet_town.roll_out(plan)
        fleet_town.run(HOUR)
        exposed = [unit for unit in fleet_town.units if unit.counter == fleet_town.new.counter]
        assert exposed and exposed == fleet_town.within(plan, 10.0)
        assert fleet_town.server is not None
        fleet_town.server.rollouts.steer(plan.id, "ann", "paused", "to look at the canary")
        fleet_town.run(HOUR / 2)
        thief = Thief(fleet_town)
        thief.push(plan, body, ahead=20 * DAY)
        fleet_town.run(4 * HOUR)
        # They believe it for what it is: signed by keys that count. It brings nobody beyond the plan and its gates.
        assert all(unit.trust.latest().versions["timestamp"] > FAR for unit in fleet_town.units)
        assert [unit for unit in fleet_town.units if unit.counter == fleet_town.new.counter] == exposed
        if not served:
            fleet_town.fall()
        rotate(fleet_town, roles)
        if not served:
            _not_behind(fleet_town.rise("again").plane, fleet_town.server.conductor)
        fleet_town.run(HOUR)
        assert all(unit.trust.latest().versions["timestamp"] < FAR for unit in fleet_town.units), fleet_town.units[
            0
        ].agent.why
        thief.push(plan, body)
        fleet_town.server.rollouts.steer(plan.id, "ann", "running")
        fleet_town.run(8 * HOUR)
        assert fleet_town.server.row().state == "finished"
        assert set(fleet_town.counters()) == {fleet_town.new.counter}
