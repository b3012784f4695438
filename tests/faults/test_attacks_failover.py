"""Servers as processes, over SQLite and PostgreSQL: the one that serves is killed at 10 %, another goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import Stage, TrialLimits
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import audit, devices, rollouts
from fleet_servers import Server
from threat_fleet import ME, Town, town

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
QUICK = msgspec.structs.replace(ME, poll=0.5, slowest=1.0, look=0.5, keep=5.0)
STAGES = tuple(Stage(name=f"s{percent:g}", percent=percent, dwell=6.0) for percent in (10.0, 50.0, 100.0))
PATIENCE = 180.0


def live(fleet_town: Town, until: Callable[[], bool]) -> None:
    """Let devices live in real time until something holds."""
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, [unit.agent.why for unit in fleet_town.units]
        time.sleep(0.1)
        passed, fleet_town.clock.now = time.time() - fleet_town.clock.now, time.time()
        for unit in fleet_town.units:
            unit.step(passed)


def test_a_server_that_is_killed_at_ten_per_cent_is_followed_by_another(tmp_path: Path, address: str) -> None:
    with town(tmp_path, 6, address, start=time.time(), me=QUICK) as fleet_town, ExitStack() as stack:
        assert fleet_town.server is not None
        plan = fleet_town.plan(
            "first", stages=STAGES, trial=TrialLimits(seconds=1.0, patience=600.0), starts=time.time() - 1.0
        )
        fleet_town.roll_out(plan)
        fleet_town.fall()
        servers = [Server(fleet_town.fleet.folder, "--report-every", "5").wait()]
        stack.callback(lambda: [server.end(signal.SIGKILL) for server in servers])
        if address:
            servers.append(Server(fleet_town.fleet.folder, "--report-every", "5").wait())
        fleet_town.addresses = [server.address for server in servers]
        canary = fleet_town.within(plan, 10.0)
        live(fleet_town, lambda: all(unit.counter == fleet_town.new.counter for unit in canary))
        for server in servers:
            server.end(signal.SIGKILL)
        servers.append(Server(fleet_town.fleet.folder, "--report-every", "5").wait())
        fleet_town.addresses = [servers[-1].address]
        database = open_database(fleet_town.fleet.folder)
        stack.callback(database.close)

        def state() -> tuple[str, int]:
            with database.reading() as connection:
                row = connection.execute(sa.select(rollouts)).one()
            inside = fleet_town.within(plan, STAGES[row.stage].percent)
            assert {unit.name for unit in fleet_town.units if unit.counter == fleet_town.new.counter} <= {
                one.name for one in inside
            }
            return row.state, row.stage

        live(fleet_town, lambda: state() == ("finished", 2))
        assert set(fleet_town.counters()) == {fleet_town.new.counter}
        with database.reading() as connection:
            assert tables.verify_audit_log(connection)[2] == ""
            assert not connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).all()
            query = sa.select(audit.c.what).where(audit.c.what.like("rollout.%")).order_by(audit.c.number)
            assert list(connection.execute(query).scalars()) == [
                "rollout.started", "rollout.stage", "rollout.stage", "rollout.finished",
            ]  # fmt: skip
