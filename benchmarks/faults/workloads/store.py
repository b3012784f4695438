"""The store at work: every kind of write it knows, over a few starts, one of them after a process that just ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from edgewright.core.records.device import Event
from edgewright.device.store import entries, reader, write_counter
from edgewright.device.store.database import Connect, Database
from edgewright.device.store.records import Limits, StoreConfig
from edgewright.device.store.store import Store

# Small limits, so that retention, quota and checkpoints all happen; a group is what is committed by hand.
CONFIG = StoreConfig(
    ballast=0, group_seconds=1e9, group_items=10**6, at_once=(), send_columns=("ax",),
    events=Limits(days=30, bytes=6_000), rows=Limits(days=30, bytes=12_000), outbox=Limits(days=30, bytes=9_000),
)  # fmt: skip
LOG_LIMIT = 96 << 10
_KINDS = ("decision", "alarm", "health", "summary", "drift")
_TABLES = ("events", "rows", "outbox", "dropped")


class Clock:
    """A clock that goes a tenth of a second forward whenever it is asked; its wall jumps by 400 days and back."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def running(self) -> float:
        """Return seconds."""
        self.seconds += 0.1
        return self.seconds

    def wall(self) -> float:
        """Return seconds since 1970, now and then wrong by 400 days in either direction."""
        jump = (0, 400, -400)[int(self.seconds) % 3] * 86400
        return 1.7e9 + self.seconds + jump


class Promise(NamedTuple):
    """What must be there from now on.

    Attributes:
        content: fingerprint of all tables; None before the store first opened.
        boot: of the identity, at least.
        device: its name.
    """

    content: str | None
    boot: int
    device: str


def fingerprint(database: Database) -> str:
    """Of every row of every table that a commit changes."""
    content = [database.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in _TABLES]  # noqa: S608
    return hashlib.sha256(repr(content).encode()).hexdigest()


def promise(store: Store) -> Promise:
    """Return what the store holds now."""
    return Promise(fingerprint(store.database), store.boot, store.device)


def use(folder: Path, recorder: Recorder) -> None:
    """Three starts."""
    work(folder, recorder.connect, recorder.promise)


def recover(folder: Path, recorder: Recorder) -> None:
    """Another start."""
    leave(Store.open(folder, CONFIG, opener=recorder.connect))


def leave(store: Store) -> None:
    """As a process that ended without closing: nothing is checkpointed, the log stays."""
    with suppress(Exception):
        store.identity.close()
        store.database.close()
        store._lock.close()


def work(
    folder: Path, opener: Connect, on_promise: Callable[[Promise], None], boots: int = 3, rounds: int = 12
) -> None:
    """Open the store a few times and works with it; `on_promise` hears every promise.

    Args:
        folder: of the store.
        opener: of its databases.
        on_promise: called after every commit that returned.
        boots: how often the store is opened.
        rounds: commits a boot.
    """
    limit, write_counter._LOG_LIMIT = write_counter._LOG_LIMIT, LOG_LIMIT
    clock = Clock()
    try:
        for boot in range(boots):
            store = Store.open(folder, CONFIG, "device-1", clock, opener)
            on_promise(promise(store))
            for turn in range(rounds):
                _turn(store, boot * rounds + turn, on_promise)
            if boot % 2 == 0:
                store.close()
                continue
            leave(store)
    finally:
        write_counter._LOG_LIMIT = limit


def _turn(store: Store, turn: int, on_promise: Callable[[Promise], None]) -> None:
    chance = np.random.default_rng(turn)
    kinds = [_KINDS[(turn + i) % len(_KINDS)] for i in range(4)]
    store.append_events([
        Event(kind=kind, stream="s", time=float(turn), label=f"label {turn}", detail={"count": turn})  # type: ignore[arg-type]
        for kind in kinds
    ])  # fmt: skip
    rows = 40 + turn % 7 * 10
    store.append_rows("s", ("ax", "ay"), np.arange(rows, dtype=np.float64), chance.normal(size=(rows, 2)).astype("f4"))
    if turn % 3 == 0:
        store.outbox.put("summary", {"count": turn}, 6, expires=60.0)
    if turn % 4 == 1:
        items = store.outbox.take(2048)
        store.outbox.settle(items, [item.position for item in items[::2]])
    store.commit()
    on_promise(promise(store))


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong with a store after a cut; empty for nothing."""
    with Store.open(folder, CONFIG) as store:
        if aside := list(folder.glob("store.damaged-*")):
            return f"{aside[0].name} was set aside"
        record = store.database.value("PRAGMA integrity_check")
        if record != "ok":
            return str(record)
        if before is not None:
            if store.device != before.device:
                return "another device"
            if store.boot <= before.boot:
                return f"boot {store.boot} after boot {before.boot}"
        content = fingerprint(store.database)
        if before is not None and content not in {before.content, after.content if after else None}:
            return "neither what was promised before the cut nor what was being written"
        for _, _, count, names, plain in store.database.execute("SELECT boot, sequence, count, names, plain FROM rows"):
            if entries.unpack(entries.Block(names, plain, b"", ""), count, None, "") is None:
                return "rows that cannot be read"
        waiting = store.database.value("SELECT count(*) FROM outbox")
        if len(store.outbox.take(1 << 30, 10**6)) > waiting:
            return "an item twice"
    with reader.look(folder) as database:
        return "" if fingerprint(database) == content else "another content after closing"


WORKLOAD = Workload("store at work", use, recover, check)
