"""Small files that guard against what is older: a log of one that is gone is not played into the next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgewright.core.files import write_together
from edgewright.device.store.guarded_database import open_guarded
from edgewright.schema.errors import OutputError

TABLES = ("CREATE TABLE kept(value TEXT)",)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_log_that_was_left_behind_is_not_believed(tmp_path: Path, ahead: bool) -> None:
    path = tmp_path / "guard.sqlite"
    first = open_guarded(path, 1, TABLES, "a guard", "", ahead=ahead)
    first.execute("INSERT INTO kept VALUES ('old')")
    for file in list(tmp_path.iterdir()):
        shutil.copy(file, tmp_path / f"copy-{file.name}")
    first.close()
    path.unlink()
    for ending in ("-wal", "-shm", "-journal"):
        if (tmp_path / f"copy-guard.sqlite{ending}").exists():
            shutil.copy(tmp_path / f"copy-guard.sqlite{ending}", tmp_path / f"guard.sqlite{ending}")
    second = open_guarded(path, 1, TABLES, "a guard", "", ahead=ahead)
    assert second.execute("SELECT value FROM kept") == []
    second.close()


@pytest.mark.parametrize("ahead", [False, True])
def test_what_was_committed_is_there_after_a_kill(tmp_path: Path, ahead: bool) -> None:
    path = tmp_path / "guard.sqlite"
    open_ = open_guarded(path, 1, TABLES, "a guard", "", ahead=ahead)
    open_.execute("INSERT INTO kept VALUES ('one')")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, elsewhere)
    again = open_guarded(elsewhere / "guard.sqlite", 1, TABLES, "a guard", "", ahead=ahead)
    assert again.execute("SELECT value FROM kept") == [("one",)]
    again.close()
    open_.close()


def test_files_come_together_or_not_at_all(tmp_path: Path) -> None:
    write_together({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    (tmp_path / "c").mkdir()
    with pytest.raises(OutputError):
        write_together({tmp_path / "none" / "x": b"3", tmp_path / "a": b"4"})
    assert (tmp_path / "a").read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
