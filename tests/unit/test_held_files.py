"""Files of databases that are held open or guarded by a second copy."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.core.errors import OutputError
from edgewright.core.files import HeldFiles, write_together
from edgewright.device.store import reader, status
from edgewright.device.store.guarded_database import open_guarded
from edgewright.device.store.tables import STORE_FILE
from edgewright.fleet.server.database import sqlite
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.sqlite import NAME
from file_locks import locks
from store_example import opened, put_rows


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
    for number in range(sqlite._RESCUED):
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


def test_reading_beside_the_writer_in_one_process_keeps_its_locks(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        put_rows(store)
        store.commit()
        database, index = tmp_path / STORE_FILE, tmp_path / f"{STORE_FILE}-shm"
        before = (locks(os.getpid(), database), locks(os.getpid(), index))
        assert all(before)
        status.read_state(tmp_path)
        status.of(store)
        with reader.look(tmp_path) as seen:
            assert list(reader.rows(seen, store.device))
        assert (locks(os.getpid(), database), locks(os.getpid(), index)) == before


@pytest.mark.parametrize("sides", [("-wal", "-shm"), ("", "-wal", "-shm"), ("",)])
def test_a_store_whose_files_are_gone_takes_nothing_more(tmp_path: Path, sides: tuple[str, ...]) -> None:
    store = opened(tmp_path / "store")
    put_rows(store)
    store.commit()
    for side in sides:
        (tmp_path / "store" / f"{STORE_FILE}{side}").unlink()
    put_rows(store)
    for write in (store.commit, store.close):
        with pytest.raises(OutputError, match="removed"):
            write()
    assert store.committer.pending.writes
    with opened(tmp_path / "store") as again:  # a restart begins a store, or goes on with what is left
        put_rows(again)
        again.commit()


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
