"""The control plane dies, races, moves, and comes back from old backups, stolen keys and wrong clocks."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from edgewright.cli.main import cli
from edgewright.core.errors import EdgewrightError, InputError
from edgewright.fleet.protocol.layout import ONLINE, Published
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.repository import key_rotation
from edgewright.fleet.repository.publication import prepare_release
from edgewright.fleet.server.database import migration, postgres, tables
from edgewright.fleet.server.database.sqlite import NAME
from edgewright.fleet.server.database.tables import audit, devices
from edgewright.fleet.server.database.tables import reports as history
from edgewright.fleet.server.rollouts.worker import _not_behind
from fleet_folder import apply, package
from key_thief import FAR, Thief
from postgres_database import fresh_database
from threat_fleet import DAY, HOUR, START, Server, Town, town

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


ONCE = ["rollout.started", "rollout.stage", "rollout.stage", "rollout.finished"]


def steps(fleet_town: Town) -> list[str]:
    """Return what was done to rollouts, by a log that is whole; nobody was shut out."""
    assert fleet_town.server is not None
    with fleet_town.server.plane.database.reading() as connection:
        assert tables.verify_audit_log(connection)[2] == ""
        assert not connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).all()
        query = sa.select(audit.c.what).where(audit.c.what.like("rollout.%")).order_by(audit.c.number)
        return list(connection.execute(query).scalars())


def test_servers_that_race_step_once_and_no_device_notices(tmp_path: Path, address: str) -> None:
    with town(tmp_path, 4, address) as fleet_town:
        fleet_town.others = [
            Server(fleet_town.fleet, fleet_town.server_clock, f"other {number}") for number in range(2)
        ]
        fleet_town.roll_out(fleet_town.plan("first"))
        fleet_town.run(7 * HOUR)
        assert steps(fleet_town) == ONCE
        assert set(fleet_town.counters()) == {fleet_town.new.counter}
        assert not any(unit.state.device_state.quarantined for unit in fleet_town.units)
        assert fleet_town.server is not None
        with fleet_town.server.plane.database.reading() as connection:
            twice = sa.select(history.c.device).group_by(history.c.device, history.c.sequence)
            assert not connection.execute(twice.having(sa.func.count() > 1)).all()


def test_a_control_plane_that_dies_at_ten_per_cent_pushes_nobody_and_another_server_goes_on(
    tmp_path: Path, address: str
) -> None:
    with town(tmp_path, 5, address) as fleet_town:
        plan = fleet_town.plan("first")
        fleet_town.roll_out(plan)
        fleet_town.run(HOUR)
        exposed = fleet_town.within(plan, 10.0)
        assert [unit for unit in fleet_town.units if unit.counter == fleet_town.new.counter] == exposed
        fleet_town.fall()
        fleet_town.run(3 * HOUR)  # the plan's dwell is over; the word still holds, but nobody gives leave
        fleet_town.units[-1].reboot()
        fleet_town.run(27 * HOUR, step=900.0)  # longer than the word holds
        assert [unit for unit in fleet_town.units if unit.counter == fleet_town.new.counter] == exposed
        assert all(unit.process.up for unit in exposed)
        assert not any(unit.trust.latest().fresh for unit in fleet_town.units)
        _not_behind(fleet_town.rise("another").plane, fleet_town.server.conductor)  # type: ignore[union-attr]
        fleet_town.run(9 * HOUR)
        assert steps(fleet_town) == ONCE
        assert set(fleet_town.counters()) == {fleet_town.new.counter}


def test_an_old_backup_forgets_no_abort_and_goes_on_above_what_devices_saw(tmp_path: Path, address: str) -> None:
    with town(tmp_path, 4, address) as fleet_town, ExitStack() as stack:
        plan, folder, copy = fleet_town.plan("first"), fleet_town.fleet.folder, tmp_path / "monday.sqlite"
        fleet_town.roll_out(plan)
        fleet_town.run(HOUR / 2)
        migration.write_backup(folder, copy)
        fleet_town.run(HOUR / 2)
        assert fleet_town.server is not None
        fleet_town.server.rollouts.steer(plan.id, "ann", "aborted", revert=True)
        fleet_town.run(HOUR)
        exposed = fleet_town.within(plan, 10.0)
        assert {unit.counter for unit in exposed} == {fleet_town.back.counter}
        fleet_town.fall()
        if address:  # the server of databases is lost; another one stands empty
            postgres.keep(folder, stack.enter_context(fresh_database()))
            migration.fill(postgres.address(folder), copy)
        else:
            for left in folder.glob(f"{NAME}*"):
                left.unlink()
            shutil.copy(copy, folder / NAME)
        with pytest.raises(InputError, match="fleet restore"):
            _not_behind(fleet_town.rise("too early").plane, fleet_town.server.conductor)
        fleet_town.fall()
        done = CliRunner().invoke(cli, ["fleet", "restore", "--fleet", str(folder)])
        assert done.exception is None, done.exception
        assert "first: aborted" in done.output
        _not_behind(fleet_town.rise("restored").plane, fleet_town.server.conductor)
        fleet_town.run(HOUR)
        assert {unit.counter for unit in exposed} == {fleet_town.back.counter}
        fleet_town.new, fleet_town.back = (one.release for one in publish_waiting(fleet_town, "2"))
        fleet_town.roll_out(fleet_town.plan("second"))
        fleet_town.run(7 * HOUR)
        assert set(fleet_town.counters()) == {fleet_town.new.counter}
        steps(fleet_town)


def publish_waiting(fleet_town: Town, seed: str) -> tuple[Published, ...]:
    """Return a release that is signed offline and taken in by the control plane."""
    change, published = prepare_release(
        fleet_town.fleet, package(fleet_town.folder, seed), fleet_town.clock.now, product="main"
    )
    assert not apply(fleet_town.fleet, change, fleet_town.clock.now)
    assert fleet_town.server is not None
    fleet_town.happened += fleet_town.server.tick()
    return published


def test_a_whole_machine_from_an_old_copy_is_refused_by_devices_until_its_keys_are_rotated(tmp_path: Path) -> None:
    """Nothing on it says that it is old: database, published files and the signer's record are of the same moment."""
    with town(tmp_path, 4) as fleet_town:
        plan, folder, copy = fleet_town.plan("first"), fleet_town.fleet.folder, tmp_path / "snapshot"
        fleet_town.roll_out(plan)
        fleet_town.run(HOUR)
        fleet_town.fall()
        shutil.copytree(folder, copy)
        fleet_town.rise()
        for _ in range(3):
            fleet_town.run(HOUR / 3)
            fleet_town.server.rollouts.refresh()  # type: ignore[union-attr]
        fleet_town.server.rollouts.steer(plan.id, "ann", "aborted", revert=True)  # type: ignore[union-attr]
        fleet_town.run(HOUR)
        known = fleet_town.counters()
        assert {unit.counter for unit in fleet_town.within(plan, 10.0)} == {fleet_town.back.counter}
        fleet_town.fall()
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
        server = fleet_town.rise("restored")
        _not_behind(server.plane, server.conductor)
        fleet_town.run(HOUR)
        assert fleet_town.counters() == known
        assert all("older" in unit.agent.why or "version" in unit.agent.why for unit in fleet_town.units)
        for role in ONLINE:
            change, keys = key_rotation.rotate(fleet_town.fleet, role, fleet_town.clock.now)
            with key_rotation.kept_when_done(fleet_town.fleet, keys):
                apply(fleet_town.fleet, change, fleet_town.clock.now)
        fleet_town.run(HOUR)
        assert all(unit.trust.latest().fresh for unit in fleet_town.units)
        assert {unit.counter for unit in fleet_town.within(plan, 10.0)} == {fleet_town.back.counter}
        server.rollouts.steer(plan.id, "ann", "aborted", revert=True)
        fleet_town.run(6 * HOUR)
        assert fleet_town.counters() == known


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
