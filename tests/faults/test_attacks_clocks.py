"""Clocks that are wrong and then put right, on devices and on the server, in the middle of a rollout."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.repository import key_rotation
from edgewright.schema.errors import EdgewrightError
from fleet_folder import apply
from threat_fleet import DAY, HOUR, START, town

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


@pytest.mark.parametrize("wrong", [-START, -400 * DAY, 400 * DAY], ids=["1970", "behind", "ahead"])
def test_a_device_whose_clock_was_wrong_for_hours_gets_there_once_it_is_right(tmp_path: Path, wrong: float) -> None:
    with town(tmp_path, 4) as fleet_town:
        plan = fleet_town.plan("first", few=2)
        canary, later = (
            fleet_town.within(plan, 10.0)[0],
            max(fleet_town.units, key=lambda unit: position(plan.salt, plan.id, unit.id)),
        )
        odd = [canary, later]
        before = {unit.name: unit.trust.latest() for unit in odd}
        for unit in odd:
            unit.clock.skew = wrong
        fleet_town.roll_out(plan)
        fleet_town.run(HOUR / 2)
        for unit in odd:  # also over a start of the machine, at which all that is kept is believed anew
            unit.reboot()
        fleet_town.run(HOUR)
        if wrong > 0:  # for it all has expired: it begins nothing, and what it runs goes on
            assert canary.counter == 0
            assert canary.trust.latest().versions == before[canary.name].versions
            assert "refused" in canary.agent.why
        else:  # signed time is its floor
            assert canary.counter == fleet_town.new.counter
            assert canary.trust.latest().fresh
        assert later.counter == 0
        assert all(unit.process.up or unit.counter == 0 for unit in fleet_town.units)
        for unit in odd:
            unit.clock.skew = 0.0
        fleet_town.run(8 * HOUR)
        assert fleet_town.server is not None and fleet_town.server.row().state == "finished"
        assert set(fleet_town.counters()) == {fleet_town.new.counter}
        assert not any(
            unit.state.device_state.burned or unit.state.device_state.quarantined for unit in fleet_town.units
        )


@pytest.mark.parametrize("wrong", [-START, -400 * DAY, 300 * DAY, 400 * DAY])
def test_a_server_whose_clock_was_wrong_goes_on_once_it_is_right(tmp_path: Path, wrong: float) -> None:
    with town(tmp_path, 4) as fleet_town:
        plan = fleet_town.plan("first", few=2)
        fleet_town.roll_out(plan)
        fleet_town.run(HOUR)
        exposed = [unit for unit in fleet_town.units if unit.counter == fleet_town.new.counter]
        assert exposed
        fleet_town.server_clock.now += wrong
        fleet_town.run(HOUR)
        if wrong > 0:  # its plan is over by then, and its signatures say so
            assert fleet_town.server is not None
            assert fleet_town.server.row().state == "finished"
        assert [unit for unit in fleet_town.units if unit.counter == fleet_town.new.counter] == exposed
        fleet_town.server_clock.now -= wrong
        fleet_town.run(HOUR)
        assert fleet_town.server is not None
        if wrong > 0:  # what was signed ahead is forgotten with the keys that signed it
            with pytest.raises(EdgewrightError, match="rotate timestamp"):
                fleet_town.server.rollouts.refresh()
            apply(
                fleet_town.fleet,
                key_rotation.refresh(fleet_town.fleet, ["releases"], fleet_town.clock.now),
                fleet_town.clock.now,
            )
            change, keys = key_rotation.rotate(fleet_town.fleet, "timestamp", fleet_town.clock.now)
            with key_rotation.kept_when_done(fleet_town.fleet, keys):
                apply(fleet_town.fleet, change, fleet_town.clock.now)
            fleet_town.run(HOUR)
            fleet_town.server.rollouts.refresh()
            fleet_town.run(HOUR)
        else:
            fleet_town.server.rollouts.refresh()
            fleet_town.run(7 * HOUR)
            assert set(fleet_town.counters()) == {fleet_town.new.counter}
        latest = [unit.trust.latest() for unit in fleet_town.units]
        assert all(seen.fresh and abs(seen.signed - fleet_town.clock.now) < DAY for seen in latest)
