"""A damaged store is set aside and what can be read of it goes on; the power is cut at every step of that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.recorder import recorded
from benchmarks.faults.states import Result, State, check_all, scratch, states
from benchmarks.faults.workload import CONFIG, use
from edgewright.runtime.store import Store
from edgewright.runtime.store.database import connect
from edgewright.runtime.store.tables import STORE_FILE

_SEED = 7
_MARK = b"\xa5" * 2048


def run(share: float) -> Iterator[tuple[str, Result]]:
    """Power cuts while a damaged store is set aside."""
    with scratch() as folder:
        damaged = damage(folder / "store")
        whole = _rescued(damaged, folder / "quiet")
        with recorded() as recorder:
            store = Store.open(folder / "store", CONFIG, opener=recorder.connect)
            steps = list(recorder.steps)
            store.identity.close()
            store.database.close()
            store._lock.close()

    def check(place: Path, state: State) -> str:
        with Store.open(place, CONFIG) as opened:
            if not any(_MARK in path.read_bytes() for path in place.glob("store.damaged-*")):
                return "the damaged file is gone"
            found = _keys(opened)
        return "" if found == whole else f"{len(found)} entries saved, {len(whole)} without a cut"

    yield "store: power cut while a damaged file is set aside", check_all(states(damaged, steps, _SEED, share), check)


def damage(folder: Path) -> dict[str, bytes]:
    """A store of which half a page in the middle was overwritten, not closed; its files by name."""
    use(folder, connect, lambda _: None, boots=1)
    place = folder / STORE_FILE
    sound = place.read_bytes()
    # A page that is in use, far behind: what lies there may as well be free.
    for page in range(len(sound) - 4096, 4096, -4096):
        place.write_bytes(sound[:page] + _MARK + sound[page + len(_MARK) :])
        if b"label" in sound[page : page + 4096] and not _sound(place):
            break
    # As if the power had been cut: the next start looks closely.
    _not_closed(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "lock"}


def _sound(place: Path) -> bool:
    database = sqlite3.connect(place)
    try:
        return bool(database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False
    finally:
        database.close()


def _not_closed(folder: Path) -> None:

    with sqlite3.connect(folder / "identity.sqlite") as identity:
        identity.execute("UPDATE identity SET value = '0' WHERE key = 'closed'")
    identity.close()


def _rescued(files: dict[str, bytes], folder: Path) -> set[tuple[str, int, int]]:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with Store.open(folder, CONFIG) as store:
        return _keys(store)


def _keys(store: Store) -> set[tuple[str, int, int]]:
    return {
        (table, boot, sequence)
        for table in ("events", "rows", "outbox")
        for boot, sequence in store.database.execute(f"SELECT boot, sequence FROM {table}")  # noqa: S608
    }
