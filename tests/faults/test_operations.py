"""The commands of docs/operations.md, run as they stand there: a fleet is lost and comes back, nothing twice."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest

from edgewright.core.records.fleet import Acknowledged
from edgewright.fleet.protocol.api_records import DevicePage, NewToken, TokenMade, Tokens
from edgewright.fleet.protocol.rollout_records import RolloutsSeen
from edgewright.fleet.repository.acceptance import read_held
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.repository.metadata import role_of
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.database import migration
from fleet_plane import Device, enrolled_devices, post
from fleet_servers import Server
from postgres_database import fresh_database
from postgres_database import server as database_server
from rollout_example import Example
from support import ROOT, environment

DOCUMENT = ROOT / "docs" / "operations.md"
_BLOCK = re.compile(r"<!-- run: ([\w-]+) -->\n```sh\n(.*?)```", re.DOTALL)
COMMAND = [sys.executable, "-c", "from edgewright.cli.main import main; main()", "fleet"]


def blocks() -> dict[str, str]:
    return dict(_BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))


def run(name: str, folder: Path, names: dict[str, str] | None = None) -> str:
    """One block, by a shell that ends at the first failure; what it says on both outputs.

    Args:
        name: of the block.
        folder: where it is run.
        names: of the document -> of this test.
    """
    script = blocks()[name]
    for message, meant in (names or {}).items():
        assert message in script
        script = script.replace(message, meant)
    parts = urlsplit(database_server())
    location = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": parts.username or "postgres",
    }
    location |= {"PGPASSWORD": parts.password} if parts.password else {}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    completed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env={**environment(), **location, "PATH": path},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert completed.returncode == 0, f"{name}: {completed.stdout}{completed.stderr}"
    return completed.stdout + completed.stderr


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`fleet serve`, killed in the end as a machine that fails kills it."""
    server = Server(folder)
    try:
        yield server.wait().address
    finally:
        server.end(signal.SIGKILL)


def report(address: str, device: Device) -> None:
    status, content = post(address, device, device.body())
    assert status == 200, content
    device.nonce = msgspec.json.decode(content, type=Acknowledged).nonce
    device.sequence += 1


def rollout(word: str, folder: Path) -> str:
    """Return what a command about rollouts says; one that pauses after the backup, devices may have seen."""
    completed = subprocess.run(
        [*COMMAND, "rollout", word, "--fleet", str(folder)], capture_output=True, text=True, env=environment(),
        timeout=120, check=False,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def started(root: Path, address: str = "") -> tuple[Path, Device]:
    """Return a fleet `my-fleet` with a rollout that runs, and a device of it."""
    example = Example(root, now=time.time())
    example.started(enrolled=example.now, starts=example.now - 1, expires=example.now + 7200)
    example.close()
    folder = root / "my-fleet"
    example.fleet.folder.rename(folder)
    if address:
        migration.move(folder, address)
    (device,) = enrolled_devices(folder, 1)
    return folder, device


def goes_on(folder: Path, device: Device) -> None:
    """Check that the server accepts the device's next report and does not quarantine the device."""
    with served(folder) as address:
        report(address, device)
        report(address, device)
    with local_client(folder) as desk:
        (listed,) = desk.ask(DevicePage, "GET", "/v1/fleet/devices").devices
    assert listed.last is not None
    assert not listed.quarantined
    assert "paused" in rollout("status", folder)


def test_every_block_has_a_name_that_a_test_runs() -> None:
    assert set(blocks()) == {
        "backup", "migrate", "rehearsal", "restore-sqlite", "restore-postgresql", "restore-machine", "stolen-key",
    }  # fmt: skip
    text = Path(__file__).read_text(encoding="utf-8")
    for name in blocks():
        assert re.search(rf'run\(\s*"{name}"', text)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_stolen_online_key_is_replaced_and_its_rollout_is_aborted(tmp_path: Path) -> None:
    folder, device = started(tmp_path)
    with local_client(folder) as desk:
        desk.ask(TokenMade, "POST", "/v1/fleet/tokens", NewToken(product="", tags=(), batch="", uses=1, seconds=3600.0))
        token = desk.ask(Tokens, "GET", "/v1/fleet/tokens").tokens[-1].id
        (rollout_seen,) = desk.ask(RolloutsSeen, "GET", "/v1/fleet/rollouts").rollouts
    key = role_of(read_held(open_fleet(folder)), "rollouts").keyids[0]
    (folder / "keys" / "offline").rename(tmp_path / "usb")
    text = run(
        "stolen-key",
        tmp_path,
        {"PLAN": rollout_seen.plan, "TOKEN": token, "/media/usb": str(tmp_path / "usb")},
    )
    assert "rollout.aborted" in text
    assert role_of(read_held(open_fleet(folder)), "rollouts").keyids[0] != key
    with served(folder) as address:
        report(address, device)
    assert "aborted" in rollout("status", folder)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_lost_sqlite_database_comes_back_from_its_backup(tmp_path: Path) -> None:
    folder, device = started(tmp_path)
    with served(folder) as address:
        report(address, device)
        assert "monday.sqlite" in run("backup", tmp_path)
        assert "1 device" in run("rehearsal", tmp_path)
        rollout("pause", folder)
        report(address, device)
    (folder / "fleet.sqlite").write_bytes(b"what a broken disk leaves")
    assert "paused" in run("restore-sqlite", tmp_path)
    assert run("migrate", tmp_path).count("nothing to do") == 2
    goes_on(folder, device)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_lost_postgresql_database_comes_back_from_its_backup(tmp_path: Path) -> None:
    name = f"edgewright_{secrets.token_hex(6)}"
    with fresh_database() as address:
        folder, device = started(tmp_path, address)
        with served(folder) as here:
            report(here, device)
            run("backup", tmp_path)
            run("rehearsal", tmp_path)
            rollout("pause", folder)
            report(here, device)
    # The database is dropped by now.
    restored = f"{database_server().rpartition('/')[0]}/{name}"
    names = {"postgresql://fleet@10.0.0.5/fleet_restored": restored, "fleet_restored": name}
    try:
        assert "paused" in run("restore-postgresql", tmp_path, names)
        goes_on(folder, device)
    finally:
        with psycopg.connect(database_server(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.heavy
def test_a_lost_machine_comes_back_from_its_backup_and_what_devices_read(tmp_path: Path) -> None:
    folder, device = started(tmp_path)
    with served(folder) as address:
        report(address, device)
        run("backup", tmp_path)
        rollout("pause", folder)
        report(address, device)
    exported = tmp_path / "www"
    subprocess.run([*COMMAND, "export", str(folder), str(exported)], check=True, env=environment(), timeout=120)
    folder.rename(tmp_path / "burnt")
    cache = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(exported)))
    thread = threading.Thread(target=cache.serve_forever, daemon=True)
    thread.start()
    try:
        text = run("restore-machine", tmp_path, {"https://fleet.example": f"http://127.0.0.1:{cache.server_port}"})
    finally:
        cache.shutdown()
        cache.server_close()
        thread.join(30)
    assert "paused" in text
    goes_on(folder, device)
