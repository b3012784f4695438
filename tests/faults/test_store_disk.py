"""Disks that are full, read-only or in the way; clocks that jump; real processes that are killed."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edgewright.core.errors import OutputError
from edgewright.device.store import reader, status, stream_state
from edgewright.device.store.records import Limits, SourcePlace
from edgewright.device.store.store import Store
from store_example import HandClock, config, event, opened, put_rows
from support import environment, small_disk

MIB = 1 << 20

pytestmark = pytest.mark.slow


def fill(folder: Path, leave: int = 0) -> Path:
    """Return a file of somebody else's that takes the rest of the disk."""
    other = folder / "other"
    space = os.statvfs(folder)
    with other.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, (space.f_bavail - 2) * space.f_frsize - leave))
    return other


def sequences(store: Store, kind: str) -> set[tuple[int, int]]:
    return {(s.boot, s.sequence) for s in reader.events(store.database, kind, limit=10**6)}


def test_on_a_full_disk_the_ballast_goes_and_deleting_works(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "24m") as disk, opened(disk / "s", ballast=MIB) as store:
        assert (disk / "s" / "ballast").stat().st_size == MIB
        for number in range(200):
            put_rows(store, 4000, seed=number)
            store.append_events([event("decision", number=number)])
            store.commit()
        before = status.of(store)
        fill(disk)
        alarms = set()
        for number in range(1500):
            (sequence,) = store.append_events([event("alarm", number=number)])
            put_rows(store, 200, seed=number)
            store.commit()
            alarms.add((store.boot, sequence))
        after = status.of(store)
        assert sequences(store, "alarm") == alarms
        assert after.waiting[0] == 1500
        # Raw rows made the room; everything that has to leave still waits, and no event went.
        assert after.tables["rows"].entries < before.tables["rows"].entries + 1500
        assert after.waiting[4] == 200
        assert after.dropped == ()
        assert store.database.value("PRAGMA integrity_check") == "ok"
        (disk / "other").unlink()
        store.committer.wear.checkpoint(store.age(), always=True)
        assert store.committer.ballast.hold()
        assert (disk / "s" / "ballast").stat().st_size == MIB


def test_a_young_store_on_a_full_disk_keeps_every_unsent_alarm(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk, opened(disk / "s", ballast=2 * MIB) as store:
        store.append_events([event("alarm", number=number) for number in range(5)])
        store.append_events([event("decision", number=number) for number in range(5)])
        store.commit()
        store.committer.wear.checkpoint(store.age(), always=True)
        fill(disk)
        for number in range(5, 105):
            store.append_events([event("alarm", number=number)])
            store.commit()
        after = status.of(store)
        # Three quarters of the ballast were enough; the last one is what deleting needs.
        assert (disk / "s" / "ballast").stat().st_size == MIB // 2
        assert len(sequences(store, "alarm")) == after.waiting[0] == 105
        assert (len(sequences(store, "decision")), after.waiting[4], after.dropped) == (5, 5, ())
        (disk / "other").unlink()


def test_what_was_learnt_and_calm_items_go_before_any_alarm(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk, opened(disk / "s", ballast=MIB) as store:
        store.append_events([event("alarm", "x" * 2000, number) for number in range(200)])
        store.append_events([event("decision", "x" * 2000, number) for number in range(200)])
        store.commit()
        position = SourcePlace(version=1, source="csv rows.csv", position={"rows": 7})
        store.remember({"stream\n": bytes(256 << 10)}, position)
        store.commit()
        store.committer.wear.checkpoint(store.age(), always=True)
        fill(disk)
        alarms = 200
        for _ in range(600):
            store.append_events([event("alarm", "x" * 2000, alarms)])
            alarms += 1
            try:
                store.commit()
            except OutputError:
                break
        after = status.of(store)
        waiting = [write for write in store.committer.pending.writes if write.table == "outbox" and not write.rank]
        assert after.waiting[0] + len(waiting) == alarms
        assert alarms > 400
        assert not stream_state.load(store.database)
        kept = stream_state.source_place(store.database)
        assert kept is not None
        assert kept.position == {"rows": 7}
        assert after.waiting.get(4, 0) == len(sequences(store, "decision")) == 0
        assert {entry.priority: entry.items for entry in after.dropped}[4] == 200
        assert all(entry.priority for entry in after.dropped)
        (disk / "other").unlink()
        store.commit()
        assert status.of(store).waiting[0] == alarms


def test_a_disk_that_is_full_of_other_things_keeps_the_most_urgent_in_memory(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        store = opened(disk / "s")
        store.append_events([event()])
        store.commit()
        store.committer.wear.checkpoint(store.age(), always=True)
        other = fill(disk)
        # Nothing of this store's own could be given up: what waits must wait.
        failed = 0
        for number in range(60):
            put_rows(store, 4000, seed=number)
            store.append_events([event("alarm", number=number)])
            try:
                store.commit()
            except OutputError as error:
                failed += 1
                assert "expected to store what was measured" in str(error)
        assert failed > 30
        assert store.committer.pending.bytes <= 4 * MIB
        other.unlink()
        store.commit()
        assert len(sequences(store, "alarm")) == 60
        store.close()


def test_the_quota_holds_whatever_comes(tmp_path: Path) -> None:
    quota = 9 * MIB
    limits: dict[str, Any] = {name: Limits(bytes=1 << 40) for name in ("events", "rows", "outbox")}
    with opened(tmp_path / "s", quota=quota, ballast=MIB, **limits) as store:
        alarms = set()
        largest = 0
        for number in range(400):
            put_rows(store, 4000, seed=number)
            alarms.add((1, store.append_events([event("alarm", number=number)])[0]))
            store.commit()
            largest = max(largest, sum(p.stat().st_size for p in (tmp_path / "s").iterdir()))
        assert largest <= quota + 128 * 1024
        assert sequences(store, "alarm") == alarms
        assert status.of(store).tables["rows"].entries > 40
        assert status.of(store).dropped == ()


def test_a_read_only_disk_is_said_and_can_be_looked_at(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        with opened(tmp_path / "s") as store:
            store.append_events([event("alarm", "fall")])
            store.commit()
            # As it lies there while the store is open: the event is in the log alone.
            shutil.copytree(tmp_path / "s", disk / "s", ignore=shutil.ignore_patterns("*-shm"))
        assert (disk / "s" / "store.sqlite-wal").stat().st_size > 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(OutputError, match="expected a folder that can be written"):
            Store.open(disk / "s")
        with reader.look(disk / "s") as database:
            assert [s.event.label for s in reader.events(database)] == ["fall"]
        assert status.read_state(disk / "s").waiting == {0: 1}


def test_a_disk_that_turns_read_only_meanwhile_is_said_and_comes_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        store = opened(disk / "s")
        store.append_events([event(number=1)])
        store.commit()
        real = store.database.execute

        def refuse(sql: str, arguments: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
            if sql == "COMMIT":
                error = OSError("attempt to write a readonly database")
                error.sqlite_errorcode = 8  # type: ignore[attr-defined]
                raise error
            return real(sql, arguments)

        store.database.execute = refuse  # type: ignore[method-assign,assignment]
        store.append_events([event(number=2)])
        with pytest.raises(OutputError, match="readonly"):
            store.commit()
        store.database.execute = real  # type: ignore[method-assign]
        store.commit()
        assert len(sequences(store, "decision")) == 2
        store.close()


def test_a_reader_in_the_way_loses_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as store:
        store.append_events([event(number=n) for n in range(100)])
        store.commit()
        with reader.look(tmp_path / "s") as database:
            database.execute("BEGIN")
            assert database.value("SELECT count(*) FROM events") == 100
            for number in range(300):
                store.append_events([event(number=number)])
                put_rows(store, 200, seed=number)
                store.commit()
            assert database.value("SELECT count(*) FROM events") == 100
            database.execute("COMMIT")
        assert len(sequences(store, "decision")) == 400


def test_processes_that_are_killed_lose_nothing_that_they_promised(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from store_example import config, event, put_rows; from edgewright.device.store.store import Store\n"
        "store = Store.open(Path(sys.argv[1]), config(), 'device-1')\n"
        "n = 0\n"
        "while True:\n"
        "    numbers = store.append_events([event(number=n + i) for i in range(20)]); put_rows(store, seed=n)\n"
        "    store.commit()\n"
        "    print(store.boot, numbers[0], numbers[-1], flush=True); n += 20\n"
    )
    promised: set[tuple[int, int]] = set()
    for turn in range(3):
        process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "s")], stdout=subprocess.PIPE,
                                   text=True, env=environment())  # fmt: skip
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        timer = threading.Timer(0.05 + 0.062 * turn, process.send_signal, [signal.SIGKILL])
        timer.start()
        lines += process.stdout.readlines()
        assert process.wait(30) == -signal.SIGKILL
        process.stdout.close()
        for line in lines:
            if line.endswith("\n"):
                boot, first, last = (int(word) for word in line.split())
                promised |= {(boot, number) for number in range(first, last + 1)}
    with opened(tmp_path / "s") as store:
        assert store.boot == 4
        stored = sequences(store, "decision")
        assert promised <= stored
        assert len(promised) >= 60
        waiting = {t.position for t in store.outbox.take(1 << 30, 10**6)}
        assert waiting == stored
        assert not list((tmp_path / "s").glob("store.damaged-*"))


def test_memory_stays_bounded_while_months_of_events_pass(tmp_path: Path) -> None:
    clock = HandClock()
    limits: dict[str, Any] = {"events": Limits(bytes=MIB), "rows": Limits(bytes=MIB), "outbox": Limits(bytes=MIB)}
    store = Store.open(tmp_path / "s", config(group_seconds=5.0, **limits), "device-1", clock)
    before = 0
    for number in range(600):
        clock.forward(18000.0)
        store.append_events([event(number=number)])
        put_rows(store, 20, seed=number)
        if number == 200:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert store.age() > 120 * 86400
    assert grown < 4096  # kB
    assert sum(p.stat().st_size for p in (tmp_path / "s").iterdir()) < 8 * MIB
    store.close()
