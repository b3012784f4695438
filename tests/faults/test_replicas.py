"""Several servers: they die, are upgraded one by one, and their PostgreSQL restarts."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.errors import InputError
from edgewright.core.records.fleet import Acknowledged, Gate, Stage
from edgewright.fleet.server import restore
from edgewright.fleet.server.database import migration, postgres, tables
from edgewright.fleet.server.database.engine import open_address, open_database
from edgewright.fleet.server.database.postgres import alone
from edgewright.fleet.server.database.revision import newest, revision
from edgewright.fleet.server.database.sqlite import engine as sqlite_engine
from edgewright.fleet.server.database.tables import audit, devices, reports
from edgewright.fleet.server.database.tables import items as outbox
from fleet_plane import Device, enrolled_devices, post
from fleet_servers import SERVER, Server, until
from live_agent import LiveFleet
from newer_version import NEWER, NUMBER
from postgres_cluster import own_cluster
from postgres_database import fresh_database
from rollout_example import Example

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


@contextmanager
def replicated(folder: Path) -> Iterator[Example]:
    """Provide a fleet whose database is PostgreSQL, made in real time."""
    with fresh_database() as address:
        example = Example(folder, now=time.time())
        example.close()
        migration.move(example.fleet.folder, address)
        example.open()
        try:
            yield example
        finally:
            example.close()


def report(addresses: list[str], device: Device, client: httpx.Client) -> int:
    """Report once, to whichever server answers, the same bytes again where one died; how many were asked."""
    item = {"device": "d", "boot": 1, "sequence": device.sequence, "kind": "event", "put": 1.0, "body": {}}
    body = device.body(items=[item])
    for requested, address in enumerate(addresses * 20, 1):
        try:
            status, content = post(address, device, body, client)
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if status >= 500 or status == 429:
            time.sleep(0.05)
            continue
        assert status == 200, content
        answer = msgspec.json.decode(content, type=Acknowledged)
        device.nonce, device.sequence = answer.nonce, device.sequence + 1
        return requested
    raise AssertionError("no server answered")


def test_servers_die_in_the_middle_and_a_rollout_is_stepped_once_and_no_report_is_lost(tmp_path: Path) -> None:
    with replicated(tmp_path) as example, ExitStack() as stack:
        folder = example.fleet.folder
        enrolled = enrolled_devices(folder, 6)
        stages = tuple(Stage(name=f"s{n}", percent=100.0, dwell=3.0) for n in range(4))
        example.now = time.time()
        body = example.signed_plan(
            stages=stages,
            gates=(),
            unconfirmed=100.0,
            enrolled=example.now,
            starts=example.now - 1,
            expires=example.now + 7200,
        )
        servers = [Server(folder), Server(folder)]
        stack.callback(lambda: [server.end(signal.SIGKILL) for server in servers])
        for server in servers:
            server.wait()
        time.sleep(2.5)  # a round takes in the plan that was signed offline
        example.now = time.time()
        example.rollouts.start(body, "tester")
        client = stack.enter_context(httpx.Client(timeout=10, trust_env=False))
        rounds, began = 0, time.monotonic()
        while time.monotonic() - began < 60:
            for index, device in enumerate(enrolled):
                addresses = [server.address for server in servers]
                report(addresses if (rounds + index) % 2 else addresses[::-1], device, client)
            rounds += 1
            with example.database.reading() as connection:
                state = connection.execute(sa.text("SELECT state FROM rollouts")).scalar_one()
            if state == "finished":
                break
            if rounds % 8 == 4:  # one dies, each in turn, and another takes its place
                which = (rounds // 8) % 2
                servers[which].end(signal.SIGKILL)
                servers[which] = Server(folder).wait()
        assert state == "finished", "".join(servers[0].log + servers[1].log)
        assert rounds > 8
        with example.database.reading() as connection:
            assert tables.verify_audit_log(connection)[2] == ""
            steps = connection.execute(sa.select(audit.c.what).where(audit.c.what.like("rollout.%"))).scalars().all()
            assert sorted(steps) == ["rollout.finished", *["rollout.stage"] * 3, "rollout.started"]
            assert restore.serial(connection) >= 5
            counts = connection.execute(sa.select(reports.c.device, sa.func.count()).group_by(reports.c.device)).all()
            assert {count for _, count in counts} == {rounds}
            assert connection.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one() == 6 * rounds
            assert not connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).all()
        assert {server.end(signal.SIGTERM) for server in servers} == {0}


def test_a_folder_moves_once_and_only_where_nobody_serves_it(tmp_path: Path) -> None:
    example = Example(tmp_path)
    example.close()
    folder = example.fleet.folder
    with fresh_database() as address:
        with alone(folder), pytest.raises(InputError, match="no other process serves"):
            migration.move(folder, address)
        assert migration.move(folder, address)["signed"] > 0
        with pytest.raises(InputError, match="its SQLite file"):
            migration.move(folder, address)
        assert not (folder / "fleet.sqlite").exists()
        assert (folder / "fleet.moved.sqlite").is_file()
        assert postgres.address(folder) == address
        opened = open_database(folder)
        with opened.reading() as connection:
            assert connection.dialect.name == "postgresql"
        opened.close()
        open_address(address).close()


COUNT = 3
# The first stage lasts until all have told that they confirmed it: what happens to the servers is in its middle.
STAGES = (Stage(name="first", percent=100.0, dwell=1.0), Stage(name="last", percent=100.0, dwell=1.0))
GATE = Gate(measure="failed", limit=0.3, quorum=COUNT)
STEPS = [("plan-1", "rollout.started"), ("plan-1", "rollout.stage"), ("plan-1", "rollout.finished")]


def _plan() -> dict[str, Any]:
    """Who enrols within an hour has a vote."""
    return {"stages": STAGES, "gates": (GATE,), "enrolled": time.time() + 3600.0}


def status(server: Server, path: str) -> int:
    try:
        return httpx.get(f"{server.address}{path}", timeout=30, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def test_postgresql_crashes_in_the_middle_of_a_rollout_and_two_servers_go_on(tmp_path: Path) -> None:
    with own_cluster() as cluster, LiveFleet(tmp_path, _plan()) as here:
        signed, agents = here.made, here.agents
        postgres.keep(signed.folder, cluster.address)
        servers = [here.serve() for _ in range(2)]
        for number in range(COUNT):
            here.join(tmp_path / f"device-{number}", servers[number % 2].address)
        counter = here.roll_out(servers[0])
        cluster.stop()
        for agent in agents:
            agent.notes.add()
        # Files are served all the same; whoever wants something written is told to come again.
        assert status(servers[0], "/metadata/timestamp.json") == 200
        assert {status(server, "/healthz") for server in servers} == {200}
        until(lambda: status(servers[0], "/readyz") in (500, 503), lambda: servers[0].log)
        cluster.start()
        here.confirmed(counter)
        until(lambda: signed.acts() == STEPS, lambda: (signed.acts(), servers[0].log, servers[1].log))
        here.all_there()
        assert all(server.process.poll() is None for server in servers)
        until(lambda: {status(server, "/readyz") for server in servers} == {200})
        assert {server.end() for server in servers} == {0}
        assert signed.acts() == STEPS


def run(program: tuple[str, ...], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of one of the versions."""
    return subprocess.run([*program, *words], capture_output=True, text=True, timeout=120, check=False)


def test_two_versions_serve_at_once_and_no_report_is_lost(tmp_path: Path) -> None:
    with fresh_database() as address, ExitStack() as stack:
        example = Example(tmp_path, now=time.time())
        example.close()
        folder = example.fleet.folder
        migration.move(folder, address)
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
            assert tables.verify_audit_log(connection)[2] == ""
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
            assert migration.fill(another, backup)["devices"] == len(enrolled)
