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
    with town(tmp_path, 4) as made:
        plan = made.plan("first", few=2)
        canary, later = (
            made.within(plan, 10.0)[0],
            max(made.units, key=lambda unit: position(plan.salt, plan.id, unit.id)),
        )
        odd = [canary, later]
        before = {unit.name: unit.trust.latest() for unit in odd}
        for unit in odd:
            unit.clock.skew = wrong
        made.roll_out(plan)
        made.run(HOUR / 2)
        for unit in odd:  # also over a start of the machine, at which all that is kept is believed anew
            unit.reboot()
        made.run(HOUR)
        if wrong > 0:  # for it all has expired: it begins nothing, and what it runs goes on
            assert canary.counter == 0
            assert canary.trust.latest().versions == before[canary.name].versions
            assert "refused" in canary.agent.why
        else:  # signed time is its floor
            assert canary.counter == made.new.counter
            assert canary.trust.latest().fresh
        assert later.counter == 0
        assert all(unit.process.up or unit.counter == 0 for unit in made.units)
        for unit in odd:
            unit.clock.skew = 0.0
        made.run(8 * HOUR)
        assert made.server is not None and made.server.row().state == "finished"
        assert set(made.counters()) == {made.new.counter}
        assert not any(unit.state.device_state.burned or unit.state.device_state.quarantined for unit in made.units)


@pytest.mark.parametrize("wrong", [-START, -400 * DAY, 300 * DAY, 400 * DAY])
def test_a_server_whose_clock_was_wrong_goes_on_once_it_is_right(tmp_path: Path, wrong: float) -> None:
    with town(tmp_path, 4) as made:
        plan = made.plan("first", few=2)
        made.roll_out(plan)
        made.run(HOUR)
        exposed = [unit for unit in made.units if unit.counter == made.new.counter]
        assert exposed
        made.server_clock.now += wrong
        made.run(HOUR)
        if wrong > 0:  # its plan is over by then, and its signatures say so
            assert made.server is not None
            assert made.server.row().state == "finished"
        assert [unit for unit in made.units if unit.counter == made.new.counter] == exposed
        made.server_clock.now -= wrong
        made.run(HOUR)
        assert made.server is not None
        if wrong > 0:  # what was signed ahead is forgotten with the keys that signed it
            with pytest.raises(EdgewrightError, match="rotate timestamp"):
                made.server.rollouts.refresh()
            apply(made.fleet, key_rotation.refresh(made.fleet, ["releases"], made.clock.now), made.clock.now)
            change, keys = key_rotation.rotate(made.fleet, "timestamp", made.clock.now)
            with key_rotation.kept_when_done(made.fleet, keys):
                apply(made.fleet, change, made.clock.now)
            made.run(HOUR)
            made.server.rollouts.refresh()
            made.run(HOUR)
        else:
            made.server.rollouts.refresh()
            made.run(7 * HOUR)
            assert set(made.counters()) == {made.new.counter}
        held = [unit.trust.latest() for unit in made.units]
        assert all(seen.fresh and abs(seen.signed - made.clock.now) < DAY for seen in held)
