"""Many connections and requests: what the server reports, and whom it sends away."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.core.records.fleet import Report
from edgewright.fleet.device.enrollment import HttpControl
from edgewright.fleet.protocol.api_records import NewOperator, OperatorMade
from edgewright.fleet.protocol.layout import NotTaken, Unreachable
from edgewright.fleet.protocol.transport import HttpTransport
from edgewright.fleet.server.api.client import local_client
from fleet_plane import fleet_folder
from fleet_servers import until

pytestmark = pytest.mark.slow


_SERVER = """
import sys
from pathlib import Path
from edgewright.fleet.server import http_listener, http_server, limits
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.http_server import Listening, serve
limits.MAX_CONNECTIONS, http_listener._MAX_CLIENT_SHARE, http_server.PARTS = 200, 0.5, ()
plane = open_plane(Path(sys.argv[1]))
sys.exit(serve(plane, Listening(port=0).checked(), lambda address: print(address, flush=True)))
"""
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: fleet\r\n\r\n"


def polled(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(_REQUEST)
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(4096)
        assert part
        answer += part
    assert answer.startswith(b"HTTP/1.1 200")
    return connection


def closed(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_the_connections_that_were_idle_longest_are_closed_and_the_metrics_say_so(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(fleet_folder(tmp_path))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    opened: list[socket.socket] = []
    try:
        address = process.stdout.readline().strip()
        port = int(address.rpartition(":")[2])
        with httpx.Client(trust_env=False, base_url=address, timeout=20) as client:

            def metrics() -> dict[str, float]:
                matches = re.findall(r"^edgewright_fleet_(connections\w*) (\S+)$", _metrics(tmp_path, client), re.M)
                return {name: float(value) for name, value in matches}

            opened += [polled(port) for _ in range(150)]
            values = metrics()
            assert values["connections_limit"] == 200
            assert 145 <= values["connections"] <= 165
            assert values["connections_closed_total"] == 0
            time.sleep(1.0)
            opened += [polled(port) for _ in range(70)]
            until(lambda: metrics()["connections_closed_total"] >= 20)
            gone = [number for number, one in enumerate(opened) if closed(one)]
            assert len(gone) >= 20
            assert max(gone) < 150, "one that had just polled was closed before those that had been idle longer"
    finally:
        for one in opened:
            one.close()
        process.terminate()
        process.wait(60)
        process.stdout.close()


def _metrics(folder: Path, client: httpx.Client) -> str:
    token = folder / "token"
    if not token.exists():
        with local_client(folder) as desk:
            operator = desk.ask(
                OperatorMade, "POST", "/v1/fleet/operators", NewOperator(name="prometheus", role="viewer")
            )
        token.write_text(operator.token)
    return client.get("/metrics", headers={"authorization": f"Bearer {token.read_text()}"}).text


SERVER = """
import sys
from pathlib import Path
from edgewright.fleet.server import http_listener, http_server
from edgewright.fleet.server.control_plane import Limits, open_plane
from edgewright.fleet.server.http_server import Listening, serve
http_server.PARTS = ()
plane = open_plane(Path(sys.argv[1]), limits=Limits(crowd=int(sys.argv[2])))
sys.exit(serve(plane, Listening(port=0).checked(), lambda address: print(address, flush=True)))
"""


@contextmanager
def server(folder: Path, crowd: int) -> Iterator[HttpTransport]:
    """Provide a server that hears so many at once, and a way to it."""
    command = [sys.executable, "-c", SERVER, str(fleet_folder(folder)), str(crowd)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        transport = HttpTransport(process.stdout.readline().strip())
        yield transport
        transport.close()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def report(length: int) -> Report:
    """One with a body of so many bytes and some more."""
    return Report(nonce="", sequence=1, counter=1, floor=1, phase="idle", profile="x" * length)


@pytest.mark.parametrize("length", [100, 900_000])
def test_whoever_is_sent_away_hears_when_to_come_and_keeps_its_connection(tmp_path: Path, length: int) -> None:
    with server(tmp_path, 0) as transport:
        control = HttpControl(transport, Ed25519PrivateKey.generate(), "ab" * 16)
        for _ in range(3):
            with pytest.raises(Unreachable, match="fewer devices at once") as exception_info:
                control.report(report(length))
            assert exception_info.value.wait is not None
            assert exception_info.value.wait >= 2.0
            assert transport._connection is not None  # neither side had to close it


def test_whose_report_is_too_large_hears_it_and_not_that_the_connection_is_gone(tmp_path: Path) -> None:
    with server(tmp_path, 8) as transport:
        control = HttpControl(transport, Ed25519PrivateKey.generate(), "ab" * 16)
        for length in (2 << 20, 4 << 20, 5 << 20) * 4:
            with pytest.raises(NotTaken, match="a body of at most 1,048,576 bytes"):
                control.report(report(length))
            assert transport._connection is not None
