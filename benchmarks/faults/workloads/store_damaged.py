"""A damaged store is set aside, and what can be read of it goes on."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.faults.model import lay
from benchmarks.faults.recorder import Recorder
from benchmarks.faults.states import files_of, scratch
from benchmarks.faults.workload import Workload
from benchmarks.faults.workloads.store import CONFIG, leave, work
from edgewright.device.store.database import connect
from edgewright.device.store.store import Store
from edgewright.device.store.tables import STORE_FILE

_MARK = b"\xa5" * 2048
Keys: TypeAlias = set[tuple[str, int, int]]


@cache
def damaged() -> dict[str, bytes]:
    """Return a store of which half a page in the middle was overwritten, not closed; its files by name."""
    with scratch() as folder:
        work(folder, connect, lambda _: None, boots=1)
        path = folder / STORE_FILE
        sound = path.read_bytes()
        # A page that is in use, far behind: what lies there may as well be free.
        for page in range(len(sound) - 4096, 4096, -4096):
            path.write_bytes(sound[:page] + _MARK + sound[page + len(_MARK) :])
            if b"label" in sound[page : page + 4096] and not _sound(path):
                break
        # As if the power had been cut: the next start looks closely.
        with sqlite3.connect(folder / "identity.sqlite") as identity:
            identity.execute("UPDATE identity SET value = '0' WHERE key = 'closed'")
        identity.close()
        (folder / "lock").unlink()
        return files_of(folder)


@cache
def saved() -> frozenset[tuple[str, int, int]]:
    """Return what a start saves of it that nothing disturbs."""
    with scratch() as folder:
        lay(damaged(), folder)
        with Store.open(folder, CONFIG) as store:
            return frozenset(_keys(store))


def use(folder: Path, recorder: Recorder) -> None:
    """Start with a damaged store."""
    leave(Store.open(folder, CONFIG, opener=recorder.connect))


def check(folder: Path, before: Any, after: Any) -> str:  # noqa: ANN401 - nothing is promised but what lies there
    """Return what is wrong: the damaged file must be there for ever, and all that could be saved."""
    with Store.open(folder, CONFIG) as opened:
        if not any(_MARK in path.read_bytes() for path in folder.glob("store.damaged-*")):
            return "the damaged file is gone"
        keys = _keys(opened)
    return "" if keys == saved() else f"{len(keys)} entries saved, {len(saved())} without a cut"


def _sound(path: Path) -> bool:
    database = sqlite3.connect(path)
    try:
        return bool(database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False
    finally:
        database.close()


def _keys(store: Store) -> Keys:
    return {
        (table, boot, sequence)
        for table in ("events", "rows", "outbox")
        for boot, sequence in store.database.execute(f"SELECT boot, sequence FROM {table}")  # noqa: S608
    }


WORKLOAD = Workload("damaged store set aside", use, use, check, prepare=lambda folder: lay(damaged(), folder))
