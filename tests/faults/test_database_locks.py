"""A serving process keeps its locks on the database: commands on the folder beside it lose nothing acknowledged."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgewright.fleet.server.database.sqlite import NAME
from file_locks import locks
from fleet_plane import acknowledged, enrolled_devices
from fleet_servers import SERVER, Server, Signed

pytestmark = pytest.mark.slow
FILES, CONNECTIONS = 2400, 1200
"""A server that may open 2,400 files keeps 1,400 connections; today's limits begin at 840."""
_LIMITED = ("bash", "-c", f'ulimit -n {FILES}; exec "$0" "$@"', *SERVER)
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: fleet\r\n\r\n"


def kept(port: int, count: int) -> list[socket.socket]:
    """Return connections that each had an answer and stay open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), 20)
        connection.sendall(_REQUEST)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        opened.append(connection)
    return opened


def test_many_connections_and_a_command_beside_lose_no_acknowledged_report(tmp_path: Path) -> None:
    signed = Signed(tmp_path, {})
    devices = enrolled_devices(signed.folder, 6)
    with ExitStack() as stack:
        server = Server(signed.folder, command=_LIMITED).wait()
        stack.callback(server.end, signal.SIGKILL)
        for connection in kept(server.port, CONNECTIONS):
            stack.enter_context(connection)
        for device in devices:
            acknowledged(server.address, device)
        time.sleep(3.0)  # limits are applied in the meantime
        side = signed.folder / f"{NAME}-shm"
        shared = locks(server.process.pid, side)
        files = {path: path.stat().st_ino for path in sorted(signed.folder.glob(f"{NAME}*"))}
        assert len(files) == 3
        done = subprocess.run([*SERVER, "fleet", "devices", "--fleet", str(signed.folder)], check=False)
        assert done.returncode == 0
        for _ in range(3):
            for device in devices:
                acknowledged(server.address, device)
        assert {path: path.stat().st_ino for path in sorted(signed.folder.glob(f"{NAME}*"))} == files
        assert shared
        assert locks(server.process.pid, side) == shared
        server.end(signal.SIGKILL)
    stored = signed.told()[1]
    assert {device.id: stored.get(device.id) for device in devices} == {device.id: [0, 1, 2, 3] for device in devices}
    again = Server(signed.folder).wait()
    try:
        for device in devices:
            acknowledged(again.address, device)
        assert signed.told()[2] == []
    finally:
        again.end()
