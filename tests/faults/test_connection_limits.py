"""Thousands of half-open connections from one host: the API goes on answering."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from certificates import write_certificate
from edgewright.fleet.server.http_listener import HttpListener
from edgewright.fleet.server.limits import client_of, connection_capacity
from fleet_plane import fleet_folder

SERVER = """
import sys
from pathlib import Path
from edgewright.fleet.server import http_server
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.http_server import Listening, serve
http_server.PARTS = ()
plane = open_plane(Path(sys.argv[1]))
tls = dict(certificate=Path(sys.argv[2]), key=Path(sys.argv[3])) if len(sys.argv) > 2 else {}
sys.exit(serve(plane, Listening(port=0, **tls).checked(), lambda address: print(address, flush=True)))
"""
FILES, ATTACK, BATCH = 2400, 8000, 1000
SLOWEST = 2.0


@contextmanager
def server(folder: Path, *tls: Path) -> Iterator[str]:
    """Provide the address of a server that may open 2,400 files, connections and all else together."""
    command = f'ulimit -Sn {FILES}; ulimit -Hn {FILES}; exec "$0" -c \'{SERVER}\' "$@"'
    process = subprocess.Popen(
        ["bash", "-c", command, sys.executable, str(fleet_folder(folder)), *map(str, tls)],
        stdout=subprocess.PIPE, text=True,
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
@pytest.mark.parametrize(
    ("message", "has_tls"), [(b"", False), (b"GET /metadata/timestamp.json HT", False), (b"", True), (b"\x16", True)]
)
def test_half_open_connections_of_one_host_keep_nobody_from_the_api(
    tmp_path: Path, message: bytes, has_tls: bool
) -> None:
    certificate = write_certificate(tmp_path) if has_tls else ()
    trusted = ssl.create_default_context(cafile=str(certificate[0])) if certificate else True
    with server(tmp_path, *certificate) as address:
        address = address.replace("127.0.0.1", "localhost") if has_tls else address
        port, opened, waits = int(address.rpartition(":")[2]), list[socket.socket](), list[float]()
        try:
            for _ in range(ATTACK // BATCH):
                opened += [half_open(port, message) for _ in range(BATCH)]
                began = time.monotonic()
                answer = httpx.get(f"{address}/healthz", timeout=10, trust_env=False, verify=trusted)
                waits.append(time.monotonic() - began)
                assert answer.status_code == 200
        finally:
            for one in opened:
                one.close()

    assert max(waits) < SLOWEST, waits


class FakeConnection:
    """A connection that notes whether it was aborted."""

    def __init__(self, listener: HttpListener, peer: str) -> None:
        self.listener, self.peer, self.is_aborted = listener, peer, False

    def shutdown(self) -> None:
        pass

    def is_stalled(self, now: float) -> bool:
        return now < 0.0

    def abort(self) -> None:
        self.is_aborted = True
        self.listener.remove(self)  # type: ignore[arg-type]


async def _serve_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError


async def started(capacity: int, *, is_shared: bool = False) -> HttpListener:
    return await HttpListener.start(_serve_nothing, "127.0.0.1", 0, capacity, is_shared=is_shared)


def opened(listener: HttpListener, peer: str, count: int, *, polled: bool = True) -> list[FakeConnection]:
    """Add connections that the listener accepts; those that polled wait for no head."""
    added = [FakeConnection(listener, peer) for _ in range(count)]
    for connection in added:
        listener.add(connection)  # type: ignore[arg-type]
        if polled:
            listener.note_activity(connection, is_answering=True)  # type: ignore[arg-type]
    return added


def aborted(connections: list[FakeConnection]) -> list[int]:
    return [number for number, connection in enumerate(connections) if connection.is_aborted]


def test_one_client_has_at_most_an_eighth_of_a_crowded_server() -> None:
    async def check() -> None:
        listener = await started(800)
        devices = [opened(listener, f"device-{number}", 1)[0] for number in range(401)]
        attacker = opened(listener, "attacker", 100)
        listener.note_activity(attacker[0], is_answering=True)  # type: ignore[arg-type]
        attacker += opened(listener, "attacker", 20)
        assert aborted(attacker) == list(range(1, 21))
        assert aborted(opened(listener, "other", 150, polled=False)) == list(range(50))
        assert (aborted(devices), listener.closed) == ([], 70)
        await listener.stop(0.0)
        proxied = await started(800, is_shared=True)
        assert aborted(opened(proxied, "proxy", 800)) == []
        await proxied.stop(0.0)

    asyncio.run(check())


def test_a_full_server_closes_silent_connections_first_and_then_the_least_active() -> None:
    async def check() -> None:
        listener = await started(100, is_shared=True)
        polled = opened(listener, "a", 90)
        silent = opened(listener, "b", 40, polled=False)
        assert (aborted(polled), aborted(silent)) == ([], list(range(30)))
        listener.awaiting_head.clear()
        listener.note_activity(polled[0], is_answering=True)  # type: ignore[arg-type]
        opened(listener, "c", 2)
        assert aborted(polled) == [1, 2]
        assert (len(listener.connections), listener.closed) == (100, 32)
        await listener.stop(0.0)
        assert (len(listener.connections), len(listener.awaiting_head), len(listener._clients)) == (0, 0, 0)

    asyncio.run(check())


def test_addresses_of_one_client_and_the_files_that_stay_reserved() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::2") != client_of("2001:db8:0:1::1")
    assert client_of("::ffff:10.0.0.1") == client_of("10.0.0.1")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] - connection_capacity() >= 1000
