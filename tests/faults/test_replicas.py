"""Several servers of one fleet over a real PostgreSQL: a device does not notice which answers, and one may die."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from edgewright.fleet.server.database import audit_chain, copy, postgres
from edgewright.fleet.server.database.engine import open_address, open_database
from edgewright.fleet.server.database.serving import alone
from edgewright.fleet.server.database.tables import audit, devices, reports
from edgewright.fleet.server.database.tables import items as outbox
from edgewright.fleet.server.publishing import heads
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Stage
from edgewright.schema.fleet_report import Acknowledged
from fleet_plane import Device, enrolled_devices, post
from fleet_servers import Server
from postgres_database import fresh_database
from rollout_example import Example

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


@contextmanager
def replicated(folder: Path) -> Iterator[Example]:
    """Provide a fleet whose database is PostgreSQL, made in real time."""
    with fresh_database() as address:
        example = Example(folder, now=time.time())
        example.close()
        copy.move(example.fleet.folder, address)
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
            assert audit_chain.verify(connection)[2] == ""
            steps = connection.execute(sa.select(audit.c.what).where(audit.c.what.like("rollout.%"))).scalars().all()
            assert sorted(steps) == ["rollout.finished", *["rollout.stage"] * 3, "rollout.started"]
            assert heads.serial(connection) >= 5
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
            copy.move(folder, address)
        assert copy.move(folder, address)["signed"] > 0
        with pytest.raises(InputError, match="its SQLite file"):
            copy.move(folder, address)
        assert not (folder / "fleet.sqlite").exists()
        assert (folder / "fleet.moved.sqlite").is_file()
        assert postgres.address(folder) == address
        opened = open_database(folder)
        with opened.reading() as connection:
            assert connection.dialect.name == "postgresql"
        opened.close()
        open_address(address).close()
