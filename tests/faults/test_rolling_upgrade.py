"""A rolling upgrade over a real PostgreSQL: two versions serve at once, and no report is lost or counted twice.

The newer version is made up (tests/newer_version.py): this one with one more revision.
"""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from edgewright.fleet.server.database import audit_chain, copy
from edgewright.fleet.server.database.migration import newest, revision
from edgewright.fleet.server.database.sqlite import engine as sqlite_engine
from edgewright.fleet.server.database.tables import audit, devices, reports
from edgewright.schema.fleet_plan import Stage
from edgewright.schema.fleet_report import Acknowledged
from fleet_plane import enrolled_devices, post
from fleet_servers import SERVER, Server
from newer_version import NEWER, NUMBER
from postgres_database import fresh_database
from rollout_example import Example

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def run(program: tuple[str, ...], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of one of the versions."""
    return subprocess.run([*program, *words], capture_output=True, text=True, timeout=120, check=False)


def test_two_versions_serve_at_once_and_no_report_is_lost(tmp_path: Path) -> None:
    with fresh_database() as address, ExitStack() as stack:
        example = Example(tmp_path, now=time.time())
        example.close()
        folder = example.fleet.folder
        copy.move(folder, address)
        example.open()
        stack.callback(example.close)
        enrolled = enrolled_devices(folder, 4)
        example.now = time.time()
        stages = tuple(Stage(name=f"s{n}", percent=100.0, dwell=3.0) for n in range(3))
        body = example.signed_plan(
            stages=stages,
            gates=(),
            unconfirmed=100.0,
            enrolled=example.now,
            starts=example.now - 1,
            expires=example.now + 7200,
        )
        servers: list[Server] = []
        stack.callback(lambda: [server.end(signal.SIGKILL) for server in servers])

        def serve(program: tuple[str, ...]) -> Server:
            servers.append(Server(folder, command=program).wait())
            return servers[-1]

        client = stack.enter_context(httpx.Client(timeout=20, trust_env=False))
        rounds = 0

        def report(*running: Server) -> None:
            nonlocal rounds
            for number, device in enumerate(enrolled):
                status, content = post(running[(rounds + number) % len(running)].address, device, device.body(), client)
                assert status == 200, content
                device.nonce = msgspec.json.decode(content, type=Acknowledged).nonce
                device.sequence += 1
            rounds += 1

        def present() -> str | None:
            with example.database.reading() as connection:
                return revision(connection)

        old, other = serve(SERVER), serve(SERVER)
        report(old, other)
        time.sleep(2.5)  # a round takes in the plan that was signed offline
        example.now = time.time()
        example.rollouts.start(body, "tester")
        # A newer version that only looks, or starts without being told to migrate, leaves the database as it is.
        for words in (("devices", "--fleet"), ("audit", "verify", "--fleet"), ("serve", "--port", "0")):
            refused = run(NEWER, "fleet", *words, str(folder))
            assert refused.returncode == 2, refused.stderr
            assert "edgewright fleet migrate" in refused.stderr
        assert present() == newest()
        report(old, other)
        done = run(NEWER, "fleet", "migrate", str(folder), "--json")
        assert done.returncode == 0, done.stderr
        assert present() == NUMBER
        for _ in range(3):
            report(old, other)  # the version before goes on
        assert old.end(signal.SIGTERM) == 0
        new = serve(NEWER)
        for _ in range(5):
            report(new, other)
        state = ""
        for _ in range(60):
            report(new, other)
            with example.database.reading() as connection:
                state = connection.execute(sa.text("SELECT state FROM rollouts")).scalar_one()
            if state == "finished":
                break
            time.sleep(0.3)
        assert state == "finished", "".join(new.log + other.log)
        assert other.end(signal.SIGTERM) == 0
        refused = run(SERVER, "fleet", "serve", str(folder), "--port", "0")
        assert refused.returncode == 2
        assert "newer Edgewright" in refused.stderr
        second = serve(NEWER)
        report(new, second)
        with example.database.reading() as connection:
            assert audit_chain.verify(connection)[2] == ""
            counts = connection.execute(sa.select(reports.c.device, sa.func.count()).group_by(reports.c.device)).all()
            assert [count for _, count in counts] == [rounds] * len(enrolled)
            assert not connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).all()
            steps = connection.execute(sa.select(audit.c.what).where(audit.c.what.like("rollout.%"))).scalars().all()
            assert sorted(steps) == ["rollout.finished", *["rollout.stage"] * 2, "rollout.started"]
        # The backup from before the migration is one of the version before, whole, with all that was there then.
        backup = Path(msgspec.json.decode(done.stdout)["backup"])
        copy_engine = sqlite_engine(backup, reading=True)
        with copy_engine.connect() as connection:
            assert revision(connection) == newest()
            assert "site" not in {one["name"] for one in sa.inspect(connection).get_columns("devices")}
            assert connection.execute(sa.select(sa.func.count()).select_from(reports)).scalar_one() == 2 * len(enrolled)
        copy_engine.dispose()
        with fresh_database() as another:
            assert copy.fill(another, backup)["devices"] == len(enrolled)
