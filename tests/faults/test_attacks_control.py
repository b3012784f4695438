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


def steps(made: Town) -> list[str]:
    """Return what was done to rollouts, by a log that is whole; nobody was shut out."""
    assert made.server is not None
    with made.server.plane.database.reading() as connection:
        assert audit_chain.verify(connection)[2] == ""
        assert not connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).all()
        found = sa.select(audit.c.what).where(audit.c.what.like("rollout.%")).order_by(audit.c.number)
        return list(connection.execute(found).scalars())


def test_servers_that_race_step_once_and_no_device_notices(tmp_path: Path, address: str) -> None:
    with town(tmp_path, 4, address) as made:
        made.others = [Server(made.fleet, made.server_clock, f"other {number}") for number in range(2)]
        made.roll_out(made.plan("first"))
        made.run(7 * HOUR)
        assert steps(made) == ONCE
        assert set(made.counters()) == {made.new.counter}
        assert not any(unit.state.device_state.quarantined for unit in made.units)
        assert made.server is not None
        with made.server.plane.database.reading() as connection:
            twice = sa.select(history.c.device).group_by(history.c.device, history.c.sequence)
            assert not connection.execute(twice.having(sa.func.count() > 1)).all()


def test_a_control_plane_that_dies_at_ten_per_cent_pushes_nobody_and_another_server_goes_on(
    tmp_path: Path, address: str
) -> None:
    with town(tmp_path, 5, address) as made:
        plan = made.plan("first")
        made.roll_out(plan)
        made.run(HOUR)
        exposed = made.within(plan, 10.0)
        assert [unit for unit in made.units if unit.counter == made.new.counter] == exposed
        made.fall()
        made.run(3 * HOUR)  # the plan's dwell is over; the word still holds, but nobody gives leave
        made.units[-1].reboot()
        made.run(27 * HOUR, step=900.0)  # longer than the word holds
        assert [unit for unit in made.units if unit.counter == made.new.counter] == exposed
        assert all(unit.process.up for unit in exposed)
        assert not any(unit.trust.latest().fresh for unit in made.units)
        _not_behind(made.rise("another").plane, made.server.conductor)  # type: ignore[union-attr]
        made.run(9 * HOUR)
        assert steps(made) == ONCE
        assert set(made.counters()) == {made.new.counter}


def test_an_old_backup_forgets_no_abort_and_goes_on_above_what_devices_saw(tmp_path: Path, address: str) -> None:
    with town(tmp_path, 4, address) as made, ExitStack() as stack:
        plan, folder, copy = made.plan("first"), made.fleet.folder, tmp_path / "monday.sqlite"
        made.roll_out(plan)
        made.run(HOUR / 2)
        database_copy.backup(folder, copy)
        made.run(HOUR / 2)
        assert made.server is not None
        made.server.rollouts.steer(plan.id, "ann", "aborted", revert=True)
        made.run(HOUR)
        exposed = made.within(plan, 10.0)
        assert {unit.counter for unit in exposed} == {made.back.counter}
        made.fall()
        if address:  # the server of databases is lost; another one stands empty
            postgres.keep(folder, stack.enter_context(fresh_database()))
            database_copy.fill(postgres.address(folder), copy)
        else:
            for left in folder.glob(f"{NAME}*"):
                left.unlink()
            shutil.copy(copy, folder / NAME)
        with pytest.raises(InputError, match="fleet restore"):
            _not_behind(made.rise("too early").plane, made.server.conductor)
        made.fall()
        done = CliRunner().invoke(cli, ["fleet", "restore", "--fleet", str(folder)])
        assert done.exception is None, done.exception
        assert "first: aborted" in done.output
        _not_behind(made.rise("restored").plane, made.server.conductor)
        made.run(HOUR)
        assert {unit.counter for unit in exposed} == {made.back.counter}
        made.new, made.back = (one.release for one in publish_waiting(made, "2"))
        made.roll_out(made.plan("second"))
        made.run(7 * HOUR)
        assert set(made.counters()) == {made.new.counter}
        steps(made)


def publish_waiting(made: Town, seed: str) -> tuple[Published, ...]:
    """Return a release that is signed offline and taken in by the control plane."""
    change, published = prepare_release(made.fleet, package(made.folder, seed), made.clock.now, product="main")
    assert not apply(made.fleet, change, made.clock.now)
    assert made.server is not None
    made.happened += made.server.tick()
    return published


def test_a_whole_machine_from_an_old_copy_is_refused_by_devices_until_its_keys_are_rotated(tmp_path: Path) -> None:
    """Nothing on it says that it is old: database, published files and the signer's record are of the same moment."""
    with town(tmp_path, 4) as made:
        plan, folder, copy = made.plan("first"), made.fleet.folder, tmp_path / "snapshot"
        made.roll_out(plan)
        made.run(HOUR)
        made.fall()
        shutil.copytree(folder, copy)
        made.rise()
        for _ in range(3):
            made.run(HOUR / 3)
            made.server.rollouts.refresh()  # type: ignore[union-attr]
        made.server.rollouts.steer(plan.id, "ann", "aborted", revert=True)  # type: ignore[union-attr]
        made.run(HOUR)
        known = made.counters()
        assert {unit.counter for unit in made.within(plan, 10.0)} == {made.back.counter}
        made.fall()
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
        server = made.rise("restored")
        _not_behind(server.plane, server.conductor)
        made.run(HOUR)
        assert made.counters() == known
        assert all("older" in unit.agent.why or "version" in unit.agent.why for unit in made.units)
        for role in ONLINE:
            change, keys = key_rotation.rotate(made.fleet, role, made.clock.now)
            with key_rotation.kept_when_done(made.fleet, keys):
                apply(made.fleet, change, made.clock.now)
        made.run(HOUR)
        assert all(unit.trust.latest().fresh for unit in made.units)
        assert {unit.counter for unit in made.within(plan, 10.0)} == {made.back.counter}
        server.rollouts.steer(plan.id, "ann", "aborted", revert=True)
        made.run(6 * HOUR)
        assert made.counters() == known
