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

from edgewright.fleet.server.connection_limits import Connection, capacity, client_of, too_many
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


def half_open(port: int, said: bytes) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.connect_ex(("127.0.0.1", port))
    if said:
        with suppress(BlockingIOError):
            made.send(said)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"GET /metadata/timestamp.json HT"])
def test_half_open_connections_of_one_host_keep_nobody_from_the_api(tmp_path: Path, said: bytes) -> None:
    with server(tmp_path) as address:
        port, opened, waits = int(address.rpartition(":")[2]), list[socket.socket](), list[float]()
        try:
            for _ in range(ATTACK // BATCH):
                opened += [half_open(port, said) for _ in range(BATCH)]
                began = time.monotonic()
                answer = httpx.get(f"{address}/healthz", timeout=10, trust_env=False)
                waits.append(time.monotonic() - began)
                assert answer.status_code == 200
        finally:
            for one in opened:
                one.close()

    assert max(waits) < SLOWEST, waits


def connections(client: str, count: int, idle: int, received: int, first: int = 0) -> list[Connection]:
    return [Connection(client, first + number, idle + number, received) for number in range(count)]


def test_a_client_keeps_its_busiest_connections_and_others_keep_all() -> None:
    found = connections("attacker", 300, 0, 1) + connections("device", 50, 60_000, 500, first=1000)
    gone = too_many(found, 800, shared=False)
    assert {one.client for one in gone} == {"attacker"}
    assert [one.file for one in gone] == list(range(100, 300))  # an eighth stays: those that were heard last
    assert too_many(found, 800, shared=True) == []  # a proxy's address is not one client


def test_silent_connections_go_first_and_a_full_server_makes_room() -> None:
    found = connections("a", 80, 20_000, 0) + connections("b", 80, 9_000, 0, first=1000)
    assert {one.client for one in too_many(found, 800, shared=False)} == {"a"}
    many = [one for client in range(95) for one in connections(str(client), 10, client, 1, first=100 * client)]
    gone = too_many(many, 1000, shared=False)
    assert len(gone) == 150  # down to 80 %
    assert min(one.idle_ms for one in gone) >= max(one.idle_ms for one in many if one not in gone)


def test_addresses_of_one_client_and_the_files_that_stay_reserved() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::2") != client_of("2001:db8:0:1::1")
    assert client_of("::ffff:10.0.0.1") == client_of("10.0.0.1")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] - capacity() >= 1000
