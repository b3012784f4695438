"""Attacks by devices, and devices that were away for months."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgewright.core.records.fleet import Plan, Stage
from edgewright.fleet.device.trust.client import FOLDER
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import ONLINE
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.repository import distribution, key_rotation, metadata
from edgewright.fleet.repository.folder import Fleet, read_published, root_hash, root_versions
from edgewright.fleet.repository.publication import prepare_release
from edgewright.fleet.server.retention import prune
from fleet_folder import SMALL, apply, package
from fleet_plane import Device
from threat_fleet import DAY, HOUR, Town, town
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
    with town(tmp_path, 8) as fleet_town:
        fleet_town.base()
        plan = fleet_town.plan("first")
        canary = fleet_town.within(plan, 10.0)
        for unit in fleet_town.units:
            unit.dies = when
        fleet_town.roll_out(plan)
        fleet_town.run(4 * HOUR)
        assert fleet_town.server is not None
        row = fleet_town.server.row()
        assert (row.state, row.revert) == ("aborted", True), row.holds
        assert [unit for unit in fleet_town.units if unit.dead] == canary
        for unit in fleet_town.units:  # somebody, or a watchdog, pulls the plug
            unit.dies = lambda _: False
        for unit in canary:
            unit.dead = False
            unit.reboot()
        fleet_town.run(2 * HOUR)
        assert {unit.counter for unit in canary} <= {fleet_town.old.counter, fleet_town.back.counter}
        assert {unit.counter for unit in fleet_town.units if unit not in canary} == {fleet_town.old.counter}


def test_copies_of_a_device_are_shut_out_and_the_others_get_there(tmp_path: Path) -> None:
    with town(tmp_path, 6) as fleet_town:
        fleet_town.base()
        plan = fleet_town.plan("first", few=3)  # enough of them without the one that is copied
        original = fleet_town.within(plan, 10.0)[0]
        original.close()
        shutil.copytree(original.folder, tmp_path / "copy")
        original.start()
        twin = Unit(fleet_town, "copy")
        assert twin.id == original.id
        fleet_town.units.append(twin)
        fleet_town.run(2 * HOUR)
        assert original.state.device_state.quarantined and twin.state.device_state.quarantined
        fleet_town.units.remove(twin)
        fleet_town.roll_out(plan)
        fleet_town.run(8 * HOUR)
        assert {unit.counter for unit in (original, twin)} == {fleet_town.old.counter}
        assert {unit.counter for unit in fleet_town.units if unit is not original} == {fleet_town.new.counter}
        twin.close()


def bought(fleet_town: Town, count: int, batch: str) -> list[Device]:
    """Return ids by the dozen, with one token."""
    assert fleet_town.server is not None
    desk = fleet_town.server.desk

    async def go() -> list[Device]:
        token = await desk.token(product="main", uses=count, batch=batch)
        devices = [Device(desk) for _ in range(count)]
        for one in devices:
            answer = await one.enrol(token, product="main")
            assert answer.status_code == 200, answer.text
            first = one.id
            await one.enrol(token, product="main")
            assert one.id == first  # the same key draws no other id
        return devices

    return fleet_town.loop.run_until_complete(go())


def lie(fleet_town: Town, plan: Plan, who: list[Device], word: str) -> int:
    """Each asks for leave and reports an end of its trial; how many got leave."""
    because = "" if word == "confirmed" else "crash"
    outcome = {
        "number": 1,
        "plan": plan.id,
        "counter": fleet_town.new.counter,
        "what": word,
        "because": because,
        "at": 0.0,
    }

    async def go() -> int:
        count = 0
        for one in who:
            request = {"nonce": one.nonce, "plan": plan.id, "counter": fleet_town.new.counter, "stage": 0}
            answer = await one.send("intent", msgspec.json.encode(request))
            if answer.status_code == 200:
                count += bool(answer.json()["go"])
                one.nonce = answer.json()["nonce"]
            reply = await one.report(counter=fleet_town.new.counter, plan=plan.id, stage=0, outcomes=[outcome])
            assert reply.status_code == 200, reply.text
        return count

    return fleet_town.loop.run_until_complete(go())


@pytest.mark.parametrize("bad", [True, False])
def test_who_grinds_ids_for_a_place_in_the_canary_buys_no_votes(tmp_path: Path, bad: bool) -> None:
    with town(tmp_path, 12) as fleet_town:
        fleet_town.base()
        early = bought(fleet_town, 40, "bought")
        fleet_town.run(300.0)
        plan = fleet_town.plan("first", few=4)
        # Before the plan there was no salt to grind for: of what was bought no more lies in the canary than by chance.
        lucky = [one for one in early if position(plan.salt, plan.id, one.id) < 10.0]
        assert len(lucky) <= 12
        fleet_town.roll_out(plan)
        fleet_town.run(300.0)
        # Now the salt is there to be read, and ids are bought until enough of them lie in the canary.
        late = [one for one in bought(fleet_town, 120, "more") if position(plan.salt, plan.id, one.id) < 10.0]
        assert len(late) > len(fleet_town.within(plan, 10.0))
        for unit in fleet_town.units:
            unit.dies = on_trial if bad else unit.dies
        # Those of one token that chance put there speak too, up to the cap on what came together.
        lie(fleet_town, plan, [*late, *lucky] if bad else late, "confirmed" if bad else "reverted")
        fleet_town.run(4 * HOUR)
        assert fleet_town.server is not None
        row = fleet_town.server.row()
        if bad:
            assert row.state == "aborted", row.judged
            assert set(fleet_town.counters()) == {fleet_town.old.counter, fleet_town.new.counter}
            assert [unit for unit in fleet_town.units if unit.dead] == fleet_town.within(plan, 10.0)
        else:
            assert row.state == "running" and row.stage > 0, row.judged


ALL = (Stage(name="all", percent=100.0, gated=False),)


def month(fleet_town: Town, repository: Fleet) -> None:
    """Other keys for root, and for the online roles; what expires is signed again."""
    for role in ("root", *ONLINE):
        change, keys = key_rotation.rotate(repository, role, fleet_town.clock.now)
        with key_rotation.kept_when_done(repository, keys):
            apply(repository, change, fleet_town.clock.now)
    again = key_rotation.refresh(repository, metadata.offline_roles(read_published(repository)), fleet_town.clock.now)
    apply(repository, again, fleet_town.clock.now)


def thirteen_months(fleet_town: Town, *repositories: Fleet) -> None:
    """Twelve times 33 days."""
    removed = 0
    for _ in range(12):
        fleet_town.clock.now += 33 * DAY
        fleet_town.server_clock.now += 33 * DAY
        for repository in repositories:
            month(fleet_town, repository)
        fleet_town.run(HOUR, step=1800.0)
        assert fleet_town.server is not None
        plane = fleet_town.server.plane
        removed += prune(fleet_town.fleet, plane.database, plane.committer, fleet_town.clock.now)
    assert removed > 100
    for role in ONLINE[:2]:  # all that a device does not need is gone before it comes back
        assert len(list(fleet_town.fleet.metadata.glob(f"*.{role}.json"))) < 25


def last(fleet_town: Town) -> Plan:
    """Return a release of these days, for everybody at once."""
    change, published = prepare_release(
        fleet_town.fleet, package(fleet_town.folder, "2"), fleet_town.clock.now, product="main"
    )
    apply(fleet_town.fleet, change, fleet_town.clock.now)
    assert fleet_town.server is not None
    fleet_town.happened += fleet_town.server.tick()
    fleet_town.new, fleet_town.back = (one.release for one in published)
    plan = fleet_town.plan("last", few=0, stages=ALL, gates=())
    fleet_town.roll_out(plan)
    return plan


@pytest.mark.parametrize("clock", ["right", "1970"])
def test_thirteen_months_and_twelve_roots_later_a_device_comes_back_over_the_network(
    tmp_path: Path, clock: str
) -> None:
    with town(tmp_path, 2) as fleet_town:
        away, there = fleet_town.units
        fleet_town.roll_out(fleet_town.plan("first", few=0, stages=ALL, gates=()))
        fleet_town.run(2 * HOUR)
        before = fleet_town.new.counter
        assert fleet_town.counters() == [before, before]
        away.way.cut = True
        fleet_town.units.remove(away)  # it is off
        thirteen_months(fleet_town, fleet_town.fleet)
        assert len(root_versions(fleet_town.fleet)) > 12
        last(fleet_town)
        fleet_town.run(HOUR)
        assert there.counter == fleet_town.new.counter
        fleet_town.units.append(away)
        away.clock.skew = -fleet_town.clock.now if clock == "1970" else 0.0
        away.reboot()
        fleet_town.run(HOUR)  # still without a network: it runs what it has
        assert away.counter == before and away.process.up
        away.way.cut = False
        fleet_town.run(3 * HOUR)
        assert away.counter == fleet_town.new.counter, away.agent.why
        assert away.trust.latest().versions == there.trust.latest().versions
        assert not away.state.device_state.quarantined


@pytest.mark.parametrize("clock", ["right", "1970"])
def test_thirteen_months_and_twelve_roots_later_a_device_comes_back_by_a_stick_alone(
    tmp_path: Path, clock: str
) -> None:
    with town(tmp_path, 1) as fleet_town:
        own, _ = distribution.init_stick(fleet_town.fleet, SMALL, None, fleet_town.clock.now)
        drawer, usb = tmp_path / "drawer", tmp_path / "usb"
        drawer.mkdir()
        away = Unit(fleet_town, "away", stick=usb)
        first = (own.metadata / "1.root.json").read_bytes()
        pin(away.folder / FOLDER, first, root_hash(own))
        fleet_town.units.append(away)
        fleet_town.roll_out(fleet_town.plan("first", few=0, stages=ALL, gates=()))
        distribution.write_stick(fleet_town.fleet, drawer, own.ring(), fleet_town.clock.now)
        fleet_town.run(2 * HOUR)
        before = fleet_town.new.counter
        assert fleet_town.counters() == [before, before]
        away.way.cut = True
        fleet_town.units.remove(away)
        thirteen_months(fleet_town, fleet_town.fleet, own)
        last(fleet_town)
        fleet_town.units.append(away)
        away.clock.skew = -fleet_town.clock.now if clock == "1970" else 0.0
        drawer.rename(usb)  # somebody finds the old stick first: it brings nothing
        away.reboot()
        fleet_town.run(HOUR)
        assert away.counter == before and away.process.up
        distribution.write_stick(fleet_town.fleet, usb, own.ring(), fleet_town.clock.now)
        fleet_town.run(3 * HOUR)
        assert away.counter == fleet_town.new.counter, away.agent.why
        assert not away.state.device_state.quarantined
        assert away.trust.latest().versions["root"] == 1  # nothing of it came over the network
        away.way.cut = False
        fleet_town.run(2 * HOUR)
        assert away.trust.latest().versions["root"] > 12
        assert away.counter == fleet_town.new.counter
