"""The database's file is removed, replaced or locked below a server."""

from __future__ import annotations

import contextlib
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from edgewright.core.files import HeldFiles
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.sqlite import NAME
from file_locks import locks
from fleet_plane import acknowledged, enrolled_devices, post
from fleet_servers import SERVER, Server, Signed, until

pytestmark = pytest.mark.slow


def remove(folder: Path, *sides: str) -> None:
    for side in sides:
        (folder / f"{NAME}{side}").unlink()


def replace(folder: Path) -> None:
    shutil.copyfile(folder / NAME, folder / "copy")
    (folder / "copy").replace(folder / NAME)


def move_away(folder: Path) -> None:
    other = folder.with_name("moved")
    folder.rename(other)
    shutil.copytree(other, folder, ignore=shutil.ignore_patterns("*.sock"))


LOSSES: dict[str, Callable[[Path], None]] = {
    "log": lambda folder: remove(folder, "-wal", "-shm"),
    "index": lambda folder: remove(folder, "-shm"),
    "all": lambda folder: remove(folder, "", "-wal", "-shm"),
    "replaced": replace,
    "moved": move_away,
}


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return Signed(tmp_path, {})


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder).wait()
    try:
        yield server
    finally:
        server.end(signal.SIGKILL)


def readiness(server: Server) -> tuple[int, str]:
    answer = httpx.get(f"{server.address}/readyz", timeout=20, trust_env=False)
    return answer.status_code, answer.text


def reports(path: Path) -> dict[str, list[int]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        stored: dict[str, list[int]] = {}
        for device, sequence in database.execute("SELECT device, sequence FROM reports ORDER BY sequence"):
            stored.setdefault(device, []).append(sequence)
    return stored


@pytest.mark.parametrize("loss", LOSSES)
def test_files_that_are_gone_stop_acknowledgements_and_what_was_acknowledged_is_saved(
    signed: Signed, loss: str
) -> None:
    devices = enrolled_devices(signed.folder, 3)
    with signed.operator() as operator, serving(signed.folder) as server:
        for device in devices:
            acknowledged(server.address, device)
        assert readiness(server)[0] == 200
        LOSSES[loss](signed.folder)
        status, text = readiness(server)
        assert status == 503
        assert "writer: fleet.sqlite" in text
        for device in devices:
            answer = httpx.post(f"{server.address}/healthz", timeout=20, trust_env=False)
            assert answer.status_code == 405
            status, content = post(server.address, device, device.body())
            assert status == 503, content
        assert httpx.get(f"{server.address}/metadata/timestamp.json", trust_env=False).status_code == 200
        metrics = operator.get(f"{server.address}/metrics").text
        assert 'edgewright_fleet_ready{part="writer"} 0.0' in metrics
        until(lambda: any('"database.rescued"' in line for line in server.log), lambda: server.log)
        assert sum('"database.gone"' in line for line in server.log) == 1
        saved = sorted(signed.folder.glob("rescued-*.sqlite"))
        assert len(saved) == 1, server.log
        assert reports(saved[0]) == {device.id: [0] for device in devices}


def test_a_server_that_stops_leaves_the_files_that_replaced_its_own(signed: Signed) -> None:
    (device,) = enrolled_devices(signed.folder, 1)
    with serving(signed.folder) as server:
        acknowledged(server.address, device)
        remove(signed.folder, "", "-wal", "-shm")
        database = open_database(signed.folder)
        try:
            with database.writing.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE witness (number INTEGER)")
            files = {path.name: path.stat().st_ino for path in signed.folder.glob(f"{NAME}*")}
            assert server.end() == 0
            assert {path.name: path.stat().st_ino for path in signed.folder.glob(f"{NAME}*")} == files
            assert database.gone() == ""
        finally:
            database.close()
    with contextlib.closing(sqlite3.connect(signed.folder / NAME)) as again:
        assert again.execute("SELECT count(*) FROM witness").fetchone() == (0,)


def test_what_operators_do_beside_a_server_raises_no_alarm(signed: Signed, tmp_path: Path) -> None:
    (device,) = enrolled_devices(signed.folder, 1)
    with serving(signed.folder) as server:
        acknowledged(server.address, device)
        for command in (
            ("devices", "--fleet", str(signed.folder)), ("backup", str(signed.folder), str(tmp_path / "backup.sqlite")),
        ):  # fmt: skip
            done = subprocess.run([*SERVER, "fleet", *command], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
        with contextlib.closing(sqlite3.connect(signed.folder / NAME, isolation_level=None)) as connection:
            for mode in ("PASSIVE", "RESTART", "TRUNCATE"):
                connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            connection.execute("VACUUM")
        acknowledged(server.address, device)
        assert readiness(server) == (200, '{"ok":true,"why":""}')
        assert not any("database.gone" in line for line in server.log)
    with serving(signed.folder) as server:
        acknowledged(server.address, device)
        assert readiness(server)[0] == 200


def test_files_that_come_back_are_the_same_files(tmp_path: Path) -> None:
    path = tmp_path / NAME
    database = open_database(tmp_path)
    try:
        held_files = HeldFiles(path)
        log = path.with_name(f"{NAME}-wal")
        log.rename(tmp_path / "away")
        assert "was removed" in held_files.gone()
        shutil.copyfile(tmp_path / "away", log)
        assert "was replaced" in held_files.gone()
        (tmp_path / "away").replace(log)
        assert held_files.gone() == database.gone() == ""
    finally:
        database.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [NAME]


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
