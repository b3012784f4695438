"""Modes of every file that a server and a device create under umask 022: only public files are for others to read."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_example import package
from board_fleet import ServedFleet
from edgewright.core.files import private_database
from edgewright.device.store.database import connect
from fleet_servers import until
from store_example import event, opened

READABLE = ("fleet/public", "fleet/public/**/*", "fleet/keys/*/*.pub")
"""What others may read: files that any web server may serve, and the public halves of keys."""


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(folder: Path, *readable: str) -> dict[str, str]:
    """Return files and folders that others may read, enter or write, with their modes."""
    allowed = {path for pattern in readable for path in folder.parent.glob(pattern)}
    modes = {}
    for path in (folder, *folder.rglob("*")):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # a server is at work
            continue
        if mode & 0o077 and not (path in allowed and not mode & 0o022):
            modes[str(path.relative_to(folder.parent))] = stat.filemode(mode)
    return modes


@pytest.mark.slow
def test_every_file_of_server_and_device_is_private_unless_it_is_public(tmp_path: Path) -> None:
    fleet = ServedFleet(tmp_path)
    try:
        fleet.start("r0.edge", "--token", fleet.token)
        package(tmp_path / "r1.edge", provenance={"seed": "1"})
        fleet.run("fleet", "publish", "r1.edge", "--fleet", "fleet")
        fleet.begin("seconds = 2.0")
        until(lambda: "release 1, idle: confirmed" in fleet.said(), fleet.said)
        fleet.run("fleet", "backup", "fleet", "monday.sqlite")
        (tmp_path / "copies").mkdir(mode=0o700)
        shutil.move(tmp_path / "monday.sqlite", tmp_path / "copies")
        for name in ("fleet/fleet.sqlite-wal", "dev/store.sqlite-wal", "dev/update.sqlite", "dev/slots/a/package.edge"):
            assert (tmp_path / name).exists(), sorted(str(path) for path in tmp_path.rglob("*"))
        assert open_to_others(tmp_path / "fleet", *READABLE) == {}
        assert open_to_others(tmp_path / "dev") == {}
        assert open_to_others(tmp_path / "copies") == {}
    finally:
        fleet.close()
    assert open_to_others(tmp_path / "fleet", *READABLE) == {}
    assert open_to_others(tmp_path / "dev") == {}


def test_a_store_is_private_from_its_first_write_and_after_a_rescue(tmp_path: Path) -> None:
    with opened(tmp_path / "store", ballast=4 << 20) as store:
        store.append_events([event()])
        store.commit()
        assert open_to_others(tmp_path / "store") == {}
    (tmp_path / "store" / "store.sqlite").write_bytes(b"no database" * 1000)
    with opened(tmp_path / "store"):
        assert open_to_others(tmp_path / "store") == {}


def test_a_database_of_an_older_version_is_narrowed_with_its_log(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    for ending in ("", "-wal"):
        path.with_name(path.name + ending).touch(mode=0o644)
    private_database(path)
    connect(path, True).close()
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
