"""A store keeps its locks whatever its process reads of it, and stores nothing in files that are gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgewright.device.store import reader, status
from edgewright.device.store.tables import STORE_FILE
from edgewright.schema.errors import OutputError
from file_locks import locks
from store_example import opened, put_rows


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
