"""Devices that die without a word, copies of devices, and ids made by the dozen: what the fleet does about them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgewright.fleet.protocol.plans.decision import position
from edgewright.schema.fleet_plan import Plan
from fleet_plane import Device
from threat_fleet import HOUR, Town, town
from threat_unit import Unit

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def on_trial(unit: Unit) -> bool:
    """Return whether the device runs the new release and has not confirmed it."""
    return unit.counter == unit.town.new.counter


def confirmed(unit: Unit) -> bool:
    """Return its last word was a good one."""
    return on_trial(unit) and unit.state.device_state.trial is None and not unit.state.outcomes


@pytest.mark.parametrize("when", [on_trial, confirmed])
def test_a_release_that_dies_silently_is_halted_at_the_canary_and_taken_back(
    tmp_path: Path, when: Callable[[Unit], bool]
) -> None:
    with town(tmp_path, 8) as made:
        made.base()
        plan = made.plan("first")
        canary = made.within(plan, 10.0)
        for unit in made.units:
            unit.dies = when
        made.roll_out(plan)
        made.run(4 * HOUR)
        assert made.server is not None
        row = made.server.row()
        assert (row.state, row.revert) == ("aborted", True), row.holds
        assert [unit for unit in made.units if unit.dead] == canary
        for unit in made.units:  # somebody, or a watchdog, pulls the plug
            unit.dies = lambda _: False
        for unit in canary:
            unit.dead = False
            unit.reboot()
        made.run(2 * HOUR)
        assert {unit.counter for unit in canary} <= {made.old.counter, made.back.counter}
        assert {unit.counter for unit in made.units if unit not in canary} == {made.old.counter}


def test_copies_of_a_device_are_shut_out_and_the_others_get_there(tmp_path: Path) -> None:
    with town(tmp_path, 6) as made:
        made.base()
        plan = made.plan("first", few=3)  # enough of them without the one that is copied
        original = made.within(plan, 10.0)[0]
        original.close()
        shutil.copytree(original.folder, tmp_path / "copy")
        original.start()
        twin = Unit(made, "copy")
        assert twin.id == original.id
        made.units.append(twin)
        made.run(2 * HOUR)
        assert original.state.device_state.quarantined and twin.state.device_state.quarantined
        made.units.remove(twin)
        made.roll_out(plan)
        made.run(8 * HOUR)
        assert {unit.counter for unit in (original, twin)} == {made.old.counter}
        assert {unit.counter for unit in made.units if unit is not original} == {made.new.counter}
        twin.close()


def bought(made: Town, count: int, batch: str) -> list[Device]:
    """Return ids by the dozen, with one token."""
    assert made.server is not None
    desk = made.server.desk

    async def go() -> list[Device]:
        token = await desk.token(product="main", uses=count, batch=batch)
        found = [Device(desk) for _ in range(count)]
        for one in found:
            answer = await one.enrol(token, product="main")
            assert answer.status_code == 200, answer.text
            first = one.id
            await one.enrol(token, product="main")
            assert one.id == first  # the same key draws no other id
        return found

    return made.loop.run_until_complete(go())


def lie(made: Town, plan: Plan, who: list[Device], word: str) -> int:
    """Each asks for leave and reports an end of its trial; how many got leave."""
    because = "" if word == "confirmed" else "crash"
    outcome = {"number": 1, "plan": plan.id, "counter": made.new.counter, "what": word, "because": because, "at": 0.0}

    async def go() -> int:
        count = 0
        for one in who:
            request = {"nonce": one.nonce, "plan": plan.id, "counter": made.new.counter, "stage": 0}
            answer = await one.send("intent", msgspec.json.encode(request))
            if answer.status_code == 200:
                count += bool(answer.json()["go"])
                one.nonce = answer.json()["nonce"]
            heard = await one.report(counter=made.new.counter, plan=plan.id, stage=0, outcomes=[outcome])
            assert heard.status_code == 200, heard.text
        return count

    return made.loop.run_until_complete(go())


@pytest.mark.parametrize("bad", [True, False])
def test_who_grinds_ids_for_a_place_in_the_canary_buys_no_votes(tmp_path: Path, bad: bool) -> None:
    with town(tmp_path, 12) as made:
        made.base()
        early = bought(made, 40, "bought")
        made.run(300.0)
        plan = made.plan("first", few=4)
        # Before the plan there was no salt to grind for: of what was bought no more lies in the canary than by chance.
        lucky = [one for one in early if position(plan.salt, plan.id, one.id) < 10.0]
        assert len(lucky) <= 12
        made.roll_out(plan)
        made.run(300.0)
        # Now the salt is there to be read, and ids are bought until enough of them lie in the canary.
        late = [one for one in bought(made, 120, "more") if position(plan.salt, plan.id, one.id) < 10.0]
        assert len(late) > len(made.within(plan, 10.0))
        for unit in made.units:
            unit.dies = on_trial if bad else unit.dies
        # Those of one token that chance put there speak too, up to the cap on what came together.
        lie(made, plan, [*late, *lucky] if bad else late, "confirmed" if bad else "reverted")
        made.run(4 * HOUR)
        assert made.server is not None
        row = made.server.row()
        if bad:
            assert row.state == "aborted", row.judged
            assert set(made.counters()) == {made.old.counter, made.new.counter}
            assert [unit for unit in made.units if unit.dead] == made.within(plan, 10.0)
        else:
            assert row.state == "running" and row.stage > 0, row.judged
