"""Files of an open database: only a file that is not there is gone, and rescued copies are few and fit."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.core.files import HeldFiles
from edgewright.fleet.server.database import file_watch
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.sqlite import NAME


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path)
    yield database
    database.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_a_file_that_cannot_be_looked_at_is_not_gone(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    files = HeldFiles(tmp_path / NAME)

    def failing(path: str) -> os.stat_result:
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", failing)
        assert (files.gone(), database.gone()) == ("", "")
        blind = HeldFiles(tmp_path / NAME)  # notices nothing, and raises no alarm later
    assert blind.gone() == ""
    (tmp_path / f"{NAME}-wal").rename(tmp_path / "away")
    assert "was removed" in files.gone()
    (tmp_path / "away").rename(tmp_path / f"{NAME}-wal")


def test_a_process_keeps_one_rescued_copy_and_a_folder_a_few(tmp_path: Path, database: Database) -> None:
    files = database.files
    assert files is not None
    first = files.rescue()
    first = first.rename(tmp_path / "rescued-20200101T000000Z.sqlite")
    files._rescued = first
    second = files.rescue()
    assert [path.name for path in tmp_path.glob("*rescued*")] == [second.name]
    for number in range(file_watch._RESCUED):
        (tmp_path / f"rescued-{number}.sqlite").write_bytes(b"kept")
    with pytest.raises(OSError, match="rescued copies"):
        files.rescue()
    assert second.exists()


def test_a_rescued_copy_leaves_half_of_the_room(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = database.files
    assert files is not None
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=(tmp_path / NAME).stat().st_size))
    with pytest.raises(OSError, match="room"):
        files.rescue()
    assert not list(tmp_path.glob("*rescued*"))
