"""A fleet's database that is damaged or kept by another program: told in a line, never a traceback."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.fleet.server.database import sqlite
from fleet_folder import fleet
from rollout_example import NOW


@pytest.mark.parametrize(
    "words", [("devices",), ("rollout", "status"), ("token", "new"), ("audit", "verify"), ("restore",)]
)
def test_a_damaged_database_is_told(tmp_path: Path, words: tuple[str, ...], cli: Cli) -> None:
    made = fleet(tmp_path / "fleet", NOW)
    (made.folder / sqlite.NAME).write_bytes(b"no database at all" * 100)
    text = cli("fleet", *words, "--fleet", made.folder, code=2)
    assert text.startswith("edgewright: expected the fleet's database, got file is not a database")
    assert "fleet restore --backup" in text


def test_a_locked_database_is_told(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_MS", 100)
    made = fleet(tmp_path / "fleet", NOW)
    assert run(["fleet", "devices", "--fleet", str(made.folder)]) == 0
    other = sqlite3.connect(made.folder / sqlite.NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert "database is locked" in cli("fleet", "token", "new", "--fleet", made.folder, code=74)
    finally:
        other.close()
