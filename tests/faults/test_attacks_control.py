"""The control plane dies, races with itself, moves to another server, and comes back from an old backup."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from edgewright.cli.main import cli
from edgewright.fleet.protocol.layout import ONLINE
from edgewright.fleet.repository import key_rotation
from edgewright.fleet.repository.publication import prepare_release
from edgewright.fleet.server.database import audit_chain, postgres
from edgewright.fleet.server.database import copy as database_copy
from edgewright.fleet.server.database.sqlite import NAME
from edgewright.fleet.server.database.tables import audit, devices
from edgewright.fleet.server.database.tables import reports as history
from edgewright.fleet.server.rollouts.worker import _not_behind
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import Published
from fleet_folder import apply, package
from postgres_database import fresh_database
from threat_fleet import HOUR, Server, Town, town

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
ONCE = ["rollout.started", "rollout.stage", "rollout.stage", "rollout.finished"]


def steps(fleet_town: Town) -> list[str]:
    """Return what was done to rollouts, by a log that is whole; nobody was shut out."""
    assert fleet_town.server is not None
    with fleet_town.server.plane.database.reading() as connection:
        assert audit_chain.verify(connection)[2] == ""
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
        database_copy.backup(folder, copy)
        fleet_town.run(HOUR / 2)
        assert fleet_town.server is not None
        fleet_town.server.rollouts.steer(plan.id, "ann", "aborted", revert=True)
        fleet_town.run(HOUR)
        exposed = fleet_town.within(plan, 10.0)
        assert {unit.counter for unit in exposed} == {fleet_town.back.counter}
        fleet_town.fall()
        if address:  # the server of databases is lost; another one stands empty
            postgres.keep(folder, stack.enter_context(fresh_database()))
            database_copy.fill(postgres.address(folder), copy)
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
