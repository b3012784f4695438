"""A server that is nearly full closes the connections that were idle longest, and its metrics say so."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from edgewright.fleet.server.api.client import local_client
from edgewright.schema.fleet_api import NewOperator, OperatorMade
from fleet_plane import fleet_folder
from fleet_servers import until

pytestmark = pytest.mark.slow
_SERVER = """
import sys
from pathlib import Path
from edgewright.fleet.server import connection_limits, http_server
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.http_server import Listening, serve
connection_limits.MAX_CONNECTIONS, connection_limits._PARTS, http_server.PARTS = 200, 1, ()
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
