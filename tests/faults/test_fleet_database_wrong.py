"""A fleet's database that is damaged or kept by another program: told in a line, never a traceback."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import integrity_check, sqlite
from edgewright.fleet.server.database.tables import items
from fleet_folder import fleet
from fleet_plane import Client, plane_of
from rollout_example import NOW


@pytest.mark.parametrize(
    "words", [("devices",), ("rollout", "status"), ("token", "new"), ("audit", "verify"), ("restore",)]
)
def test_a_damaged_database_is_told(tmp_path: Path, words: tuple[str, ...], cli: Cli) -> None:
    device_fleet = fleet(tmp_path / "fleet", NOW)
    (device_fleet.folder / sqlite.NAME).write_bytes(b"no database at all" * 100)
    text = cli("fleet", *words, "--fleet", device_fleet.folder, code=2)
    assert text.startswith("edgewright: expected the fleet's database, got file is not a database")
    assert "fleet restore --backup" in text


def test_a_locked_database_is_told(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_MS", 100)
    device_fleet = fleet(tmp_path / "fleet", NOW)
    assert run(["fleet", "devices", "--fleet", str(device_fleet.folder)]) == 0
    other = sqlite3.connect(device_fleet.folder / sqlite.NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert "database is locked" in cli("fleet", "token", "new", "--fleet", device_fleet.folder, code=74)
    finally:
        other.close()


def test_a_damaged_page_that_nobody_reads_is_found_at_the_start(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        rows = [{"device": "d", "boot": 1, "sequence": n, "kind": "k", "priority": 1, "at": 1.0, "body": b"x" * 900}
                for n in range(200)]  # fmt: skip
        plane.committer.submit(lambda c: c.execute(sa.insert(items), rows)).result(10)
    file = tmp_path / sqlite.NAME
    content = bytearray(file.read_bytes())
    middle = content.index(b"x" * 900) // 4096 * 4096
    content[middle : middle + 100] = b"\xff" * 100
    file.write_bytes(content)

    async def answer(plane: Plane) -> httpx.Response:
        stop = integrity_check.start(plane.database, plane.ready)
        for _ in range(500):
            if "database" in plane.ready:
                break
            await asyncio.sleep(0.01)
        stop()
        return await Client(plane).ask("GET", "/readyz")

    with plane_of(tmp_path) as plane:
        reply = asyncio.run(answer(plane))
    assert reply.status_code == 503
    assert "database: the file is damaged" in reply.json()["why"]
    assert "fleet restore --backup" in reply.json()["why"]
    with plane_of(tmp_path / "whole") as plane:
        integrity_check.start(plane.database, plane.ready)()
        assert plane.ready == {}
