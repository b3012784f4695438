"""A store on a disk that becomes full: the ballast is given up, raw rows go, and the ballast is taken again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.faults.recorder import Recorder, recorded
from benchmarks.faults.workload import Workload
from benchmarks.faults.workloads import store as quiet
from edgewright.core.records.device import Event
from edgewright.device.store import write_counter
from edgewright.device.store.records import Limits
from edgewright.device.store.store import Store

# As in the defaults, the ballast is four times the length at which the log is copied: copying needs room first.
LOG_LIMIT = 48 << 10
BALLAST = 4 * LOG_LIMIT
DISK = 600 << 10
_PLENTY = Limits(days=30, bytes=1 << 30)
CONFIG = msgspec.structs.replace(quiet.CONFIG, ballast=BALLAST, events=_PLENTY, rows=_PLENTY, outbox=_PLENTY)
_ROUNDS, _ROWS = 12, 700


class Promise(NamedTuple):
    """Alarms that were acknowledged: (boot, sequence) of each, in the order of time."""

    alarms: tuple[tuple[int, int], ...]


def use(folder: Path, recorder: Recorder) -> None:
    """Alarms and raw rows until the disk is full, and on."""
    limit, write_counter._LOG_LIMIT = write_counter._LOG_LIMIT, LOG_LIMIT
    try:
        alarms: list[tuple[int, int]] = []
        for boot in range(2):
            store = Store.open(folder, CONFIG, "device-1", quiet.Clock(), recorder.connect)
            for turn in range(_ROUNDS):
                values = np.random.default_rng(turn).normal(size=(_ROWS, 2)).astype(np.float32)
                store.append_rows("s", ("ax", "ay"), np.arange(_ROWS, dtype=np.float64), values)
                alarms += raise_alarm(store, turn)
                recorder.promise(Promise(tuple(alarms)))
            quiet.leave(store) if boot == 0 else store.close()
    finally:
        write_counter._LOG_LIMIT = limit


def recover(folder: Path, recorder: Recorder) -> None:
    """Another start on the same disk, and another alarm."""
    store = Store.open(folder, CONFIG, opener=recorder.connect)
    raise_alarm(store, _ROUNDS)
    quiet.leave(store)


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong: every alarm must be there and wait to be sent, and there must be room for another."""
    known, maybe = set(before.alarms if before else ()), set(after.alarms if after else ())
    with recorded(folder, disk=DISK) as recorder, Store.open(folder, CONFIG, opener=recorder.connect) as store:
        if list(folder.glob("store.damaged-*")):
            return "a file was set aside"
        record = store.database.value("PRAGMA integrity_check")
        if record != "ok":
            return str(record)
        for table, where in (("events", "kind = 'alarm'"), ("outbox", "priority = 0")):
            stored = set(store.database.execute(f"SELECT boot, sequence FROM {table} WHERE {where}"))  # noqa: S608
            if missing := known - stored:
                return f"{len(missing)} alarms gone from {table}"
            # Of a start that was recovered before it was cut off again there may be one more.
            if {key for key in stored - maybe - known if key[0] < store.boot - 1}:
                return f"alarms in {table} that nobody raised"
        (new,) = raise_alarm(store, _ROUNDS + 1)
        if new in known:
            return "a number was given twice"
    return ""


def raise_alarm(store: Store, turn: int) -> list[tuple[int, int]]:
    """Return the place of a new alarm, which is durable."""
    numbers = store.append_events([Event(kind="alarm", stream="s", time=float(turn), label=f"alarm {turn}")])
    store.commit()
    return [(store.boot, number) for number in numbers]


WORKLOAD = Workload("store on a full disk", use, recover, check, disk=DISK)
