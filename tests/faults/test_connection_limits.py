"""Thousands of half-open connections from one host: the API goes on answering."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from edgewright.fleet.server.connection_limits import OpenConnections, capacity, client_of
from fleet_plane import fleet_folder

SERVER = """
import sys
from pathlib import Path
from edgewright.fleet.server import http_server
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.http_server import Listening, serve
http_server.PARTS = ()
plane = open_plane(Path(sys.argv[1]))
sys.exit(serve(plane, Listening(port=0).checked(), lambda address: print(address, flush=True)))
"""
FILES, ATTACK, BATCH = 2400, 8000, 1000
SLOWEST = 2.0


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Provide the address of a server that may open 2,400 files, connections and all else together."""
    command = f'ulimit -Sn {FILES}; ulimit -Hn {FILES}; exec "$0" -c \'{SERVER}\' "$1"'
    process = subprocess.Popen(
        ["bash", "-c", command, sys.executable, str(fleet_folder(folder))], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def half_open(port: int, sent: bytes) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", port))
    if sent:
        with suppress(BlockingIOError):
            client.send(sent)
    return client


@pytest.mark.slow
@pytest.mark.parametrize("message", [b"", b"GET /metadata/timestamp.json HT"])
def test_half_open_connections_of_one_host_keep_nobody_from_the_api(tmp_path: Path, message: bytes) -> None:
    with server(tmp_path) as address:
        port, opened, waits = int(address.rpartition(":")[2]), list[socket.socket](), list[float]()
        try:
            for _ in range(ATTACK // BATCH):
                opened += [half_open(port, message) for _ in range(BATCH)]
                began = time.monotonic()
                answer = httpx.get(f"{address}/healthz", timeout=10, trust_env=False)
                waits.append(time.monotonic() - began)
                assert answer.status_code == 200
        finally:
            for one in opened:
                one.close()

    assert max(waits) < SLOWEST, waits


class Ends:
    """A connection that notes whether it was closed."""

    def __init__(self, address: str) -> None:
        self.address, self.ended = address, False

    def end(self) -> None:
        self.ended = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(connections: OpenConnections, address: str, count: int, *, polled: bool = True) -> list[Ends]:
    added = [Ends(address) for _ in range(count)]
    for connection in added:
        connections.add(connection)
        if polled:
            connections.note_data(connection, complete=True)
    return added


def ended(connections: list[Ends]) -> list[int]:
    return [number for number, connection in enumerate(connections) if connection.ended]


def test_a_client_keeps_its_busiest_connections_and_others_keep_all() -> None:
    connections = OpenConnections(800, shared=False)
    attacker, devices = opened(connections, "attacker", 300), opened(connections, "device", 50)
    others = [opened(connections, f"{number}", 1)[0] for number in range(130)]  # 480 are 60 %
    assert ended([*attacker, *devices, *others]) == []
    connections.note_data(attacker[0], complete=True)
    attacker += opened(connections, "attacker", 1)
    assert ended(attacker) == list(range(1, 202))  # an eighth stays: those that were heard last
    assert ended([*devices, *others]) == []
    assert (len(connections), connections.closed) == (280, 201)
    proxied = OpenConnections(800, shared=True)  # a proxy's address is not one client
    assert ended(opened(proxied, "proxy", 800)) == []


def test_silent_connections_end_after_ten_seconds_and_a_full_server_closes_the_most_idle() -> None:
    clock = Clock()
    connections = OpenConnections(100, shared=False, clock=clock)
    silent, polled = opened(connections, "a", 5, polled=False), opened(connections, "b", 5)
    clock.now = 6.0
    connections.note_data(polled[0], complete=False)  # the first bytes of another request
    connections.note_data(silent[0], complete=False)  # a byte now and then does not help
    connections.note_data(silent[1], complete=True)
    clock.now = 11.0
    connections.end_silent()
    assert (ended(silent), ended(polled), connections.closed) == ([0, 2, 3, 4], [], 0)
    clock.now = 16.5
    connections.end_silent()
    assert ended(polled) == [0]
    devices = [opened(connections, f"{number}", 1)[0] for number in range(95)]
    assert (len(connections), ended(devices)) == (100, [])
    opened(connections, "new", 3)
    assert (len(connections), connections.closed, ended(polled), ended(silent)) == (100, 3, [0, 1, 2, 3], [0, 2, 3, 4])


def test_silent_connections_of_many_clients_together_have_an_eighth_of_a_crowded_server() -> None:
    connections = OpenConnections(800, shared=False)
    devices = [opened(connections, f"device-{number}", 1)[0] for number in range(480)]
    silent = [opened(connections, f"{number}", 1, polled=False)[0] for number in range(1000)]
    assert ended(devices) == []
    assert ended(silent) == list(range(900))
    for connection in [*devices, *silent]:
        connections.remove(connection)
    assert len(connections) == 0


def test_silent_connections_of_one_client_end_no_handshake_of_another() -> None:
    connections = OpenConnections(800, shared=False)
    devices = [opened(connections, f"device-{number}", 1)[0] for number in range(480)]
    honest = [opened(connections, f"new-{number}", 1, polled=False)[0] for number in range(20)]
    attackers = [opened(connections, f"attacker-{number}", 500, polled=False) for number in range(6)]
    assert ended([*devices, *honest]) == []
    assert [500 - len(ended(attacker)) for attacker in attackers] == 6 * [12]
    connections.note_data(attackers[0][-1], complete=True)
    attackers[0] += opened(connections, "attacker-0", 1, polled=False)
    assert 501 - len(ended(attackers[0])) == 13
    proxied = OpenConnections(800, shared=True)
    assert ended(opened(proxied, "proxy", 100, polled=False)) == []
    for connection in [*devices, *honest, *(one for attacker in attackers for one in attacker)]:
        connections.remove(connection)
    assert not (connections._open or connections._clients or connections._silent or connections._silent_of)


def test_an_answer_that_goes_on_is_not_closed_before_idle_connections() -> None:
    connections = OpenConnections(100, shared=False)
    loading, idle = (opened(connections, name, 1)[0] for name in ("loading", "idle"))
    connections.note_sent(loading)
    others = [opened(connections, f"{number}", 1)[0] for number in range(99)]
    assert (loading.ended, idle.ended, ended(others)) == (False, True, [])
    connections.note_sent(idle)  # has ended
    assert len(connections) == 100


def test_addresses_of_one_client_and_the_files_that_stay_reserved() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::2") != client_of("2001:db8:0:1::1")
    assert client_of("::ffff:10.0.0.1") == client_of("10.0.0.1")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] - capacity() >= 1000
