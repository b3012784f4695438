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

from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import audit, devices, rollouts
from edgewright.schema.fleet_plan import Stage, TrialLimits
from fleet_servers import Server
from threat_fleet import ME, Town, town

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
QUICK = msgspec.structs.replace(ME, poll=0.5, slowest=1.0, look=0.5, keep=5.0)
STAGES = tuple(Stage(name=f"s{percent:g}", percent=percent, dwell=6.0) for percent in (10.0, 50.0, 100.0))
PATIENCE = 180.0


def live(made: Town, until: Callable[[], bool]) -> None:
    """Let devices live in real time until something holds."""
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, [unit.agent.why for unit in made.units]
        time.sleep(0.1)
        passed, made.clock.now = time.time() - made.clock.now, time.time()
        for unit in made.units:
            unit.step(passed)


def test_a_server_that_is_killed_at_ten_per_cent_is_followed_by_another(tmp_path: Path, address: str) -> None:
    with town(tmp_path, 6, address, start=time.time(), me=QUICK) as made, ExitStack() as stack:
        assert made.server is not None
        plan = made.plan(
            "first", stages=STAGES, trial=TrialLimits(seconds=1.0, patience=600.0), starts=time.time() - 1.0
        )
        made.roll_out(plan)
        made.fall()
        servers = [Server(made.fleet.folder, "--report-every", "5").wait()]
        stack.callback(lambda: [server.end(signal.SIGKILL) for server in servers])
        if address:
            servers.append(Server(made.fleet.folder, "--report-every", "5").wait())
        made.addresses = [server.address for server in servers]
        canary = made.within(plan, 10.0)
        live(made, lambda: all(unit.counter == made.new.counter for unit in canary))
        for server in servers:
            server.end(signal.SIGKILL)
        servers.append(Server(made.fleet.folder, "--report-every", "5").wait())
        made.addresses = [servers[-1].address]
        database = open_database(made.fleet.folder)
        stack.callback(database.close)

        def state() -> tuple[str, int]:
            with database.reading() as connection:
                row = connection.execute(sa.select(rollouts)).one()
            inside = made.within(plan, STAGES[row.stage].percent)
            assert {unit.name for unit in made.units if unit.counter == made.new.counter} <= {
                one.name for one in inside
            }
            return row.state, row.stage

        live(made, lambda: state() == ("finished", 2))
        assert set(made.counters()) == {made.new.counter}
        with database.reading() as connection:
            assert audit_chain.verify(connection)[2] == ""
            assert not connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).all()
            asked = sa.select(audit.c.what).where(audit.c.what.like("rollout.%")).order_by(audit.c.number)
            assert list(connection.execute(asked).scalars()) == [
                "rollout.started", "rollout.stage", "rollout.stage", "rollout.finished",
            ]  # fmt: skip
