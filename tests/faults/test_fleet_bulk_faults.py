"""Backlogs through a broker that is killed, and to servers that are: everything arrives, and once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from carried_fleet import AT_ONCE, Carrying, Waiting
from edgewright.fleet.protocol.wire.broker_reports import PATH
from edgewright.fleet.protocol.wire.http import HttpTransport
from edgewright.fleet.protocol.wire.token import read_token
from edgewright.fleet.server.database import database_url
from edgewright.fleet.server.database.tables import items, reports
from fleet_servers import SERVER, Server, Signed, until
from mqtt_broker import broker_until
from postgres_database import fresh_database

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
FALLING = (sys.executable, str(Path(__file__).parents[1] / "falling_bulk.py"))
COUNT = 5 * AT_ONCE


class World:
    """A fleet, a broker, servers and devices, ended in the opposite order."""

    def __init__(self, folder: Path, stack: ExitStack, database: str = "") -> None:
        self._folder, self._stack = folder, stack
        self.broker = broker_until(folder, stack)
        self.url = f"mqtt://127.0.0.1:{self.broker.port}"
        self.made = Signed(folder)
        if database:
            database_url.keep(self.made.folder, database)
        self.token = read_token(self.made.token()).secret
        with self.made.operator() as operator:
            self.headers = dict(operator.headers)

    def server(self, command: tuple[str, ...] = SERVER) -> Server:
        made = Server(self.made.folder, "--broker", self.url, command=command)
        self._stack.callback(made.end, signal.SIGKILL)
        return made.wait()

    def device(self, server: Server, number: int = 0, patience: float = 60.0) -> Carrying:
        transport = HttpTransport(server.address)
        self._stack.callback(transport.close)
        made = Carrying(
            self._folder / f"device-{number}", transport, self.token, self.url, Waiting(COUNT), patience, "main"
        )
        self._stack.callback(made.close)
        until(lambda: self.listening(server))
        made.learns()
        return made

    def carried(self, server: Server) -> float:
        """Reports that a server took from the broker."""
        told = httpx.get(f"{server.address}/metrics", headers=self.headers, timeout=60, trust_env=False).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(told)
            for sample in family.samples
            if sample.name == "edgewright_fleet_requests_total"
            and (sample.labels["endpoint"], sample.labels["status"]) == (f"POST {PATH}", "200")
        )

    def listening(self, server: Server) -> bool:
        """Whether a server said the key of answers: it has connected, or is about to."""
        return (
            "edgewright_fleet_carried_total"
            in httpx.get(f"{server.address}/metrics", headers=self.headers, timeout=60, trust_env=False).text
        )

    def once(self, device: Carrying) -> None:
        """All of a device's items are there, once; so is each of its reports; nobody was shut out."""
        kept, told, shut_out = self.made.told()
        assert shut_out == []
        assert kept[device.id] == list(range(1, COUNT + 1))
        assert len(set(told[device.id])) == len(told[device.id])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_a_broker_killed_in_the_middle_of_a_backlog_loses_nothing(tmp_path: Path, stack: ExitStack) -> None:
    world = World(tmp_path, stack)
    server = world.server()
    device = world.device(server)
    until(device.tell)  # the server may still be on its way to the broker
    assert 0 < len(device.outbox.waiting) < COUNT
    ask, asked = device.waker.ask, []

    def killed(*said: object) -> object:
        asked.append(1)
        world.broker.process.kill()
        return ask(*said)  # type: ignore[arg-type]

    device.waker.ask = killed  # type: ignore[method-assign,assignment]
    device.drain()
    assert asked
    world.once(device)
    assert "broker" in device.state.link.broker
    assert server.end() == 0


def test_a_server_killed_between_commit_and_answer_is_asked_the_same_again(tmp_path: Path, stack: ExitStack) -> None:
    world = World(tmp_path, stack)
    server = world.server(FALLING)
    device = world.device(server, patience=5.0)
    before = dict(device.outbox.waiting)
    until(lambda: device.tell() < 0 or server.process.poll() is not None)
    assert server.died() == -signal.SIGKILL
    with world.made.database() as found, found.reading() as connection:
        held = connection.execute(sa.select(sa.func.count()).select_from(items)).scalar_one()
        told = connection.execute(sa.select(sa.func.count()).select_from(reports)).scalar_one()
    gone = COUNT - len(device.outbox.waiting)
    assert held == gone + AT_ONCE  # durable, and never acknowledged: it waits in the outbox
    assert device.outbox.waiting.keys() <= before.keys()
    server = Server(world.made.folder, "--broker", world.url, port=server.port)
    stack.callback(server.end, signal.SIGKILL)
    server.wait()
    device.drain()
    world.once(device)
    assert told >= 2
    assert server.end() == 0


def test_two_servers_share_what_a_broker_brings_and_take_nothing_twice(tmp_path: Path, stack: ExitStack) -> None:
    with fresh_database() as database:
        inner = stack.enter_context(ExitStack())
        world = World(tmp_path, inner, database)
        servers = [world.server(), world.server()]
        devices = [world.device(servers[number % 2], number, patience=5.0) for number in range(6)]
        until(lambda: all(one.bulk.carried or one.tell() for one in devices))
        _together(devices)
        until(lambda: all(world.carried(one) for one in servers), lambda: [world.carried(one) for one in servers])
        # One is killed; what it had is asked again, and the other goes on alone.
        for device in devices:
            device.outbox.waiting = Waiting(2 * COUNT).waiting
        killer = threading.Timer(0.2, servers[0].process.kill)
        killer.start()
        for device in devices[1::2]:
            device.drain()
        killer.join()
        assert servers[0].died() == -signal.SIGKILL
        taken = world.carried(servers[1])
        assert taken
        kept, told, shut_out = world.made.told()
        assert shut_out == []
        for number, device in enumerate(devices):
            assert kept[device.id] == list(range(1, (1 + number % 2) * COUNT + 1))
            assert len(set(told[device.id])) == len(told[device.id])
        assert servers[1].end() == 0
        inner.close()


def _together(devices: list[Carrying]) -> None:
    """All at once; what is wrong with one is raised."""
    with ThreadPoolExecutor(len(devices)) as pool:
        for done in [pool.submit(device.drain) for device in devices]:
            done.result()
