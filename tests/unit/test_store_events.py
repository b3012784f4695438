"""Events and rows: stored, found again, grouped, limited."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import StoreDamagedError
from edgewright.core.records.device import Event
from edgewright.device.store import reader, status
from edgewright.device.store.records import Limits, StoreConfig
from edgewright.device.store.store import Store
from store_example import DAY, HandClock, event, opened, put_rows, stop


def events(store: Store) -> list[tuple[int, int]]:
    return [(s.boot, s.sequence) for s in reader.events(store.database, limit=10**6, newest=False)]


def test_an_event_comes_back_as_it_was(tmp_path: Path) -> None:
    event = Event(kind="anomaly", stream="pump", time=1.5, wall=1.7e9, doubt=0.5, label="ax", score=3.25,
                  detail={"channel": "ax", "counts": {"ax": 2}, "why": "näher"})  # fmt: skip
    with opened(tmp_path / "s") as store:
        assert store.append_events([event]) == [1]
    with reader.look(tmp_path / "s") as database:
        (stored,) = reader.events(database)
    assert stored.event == event
    assert (stored.boot, stored.sequence) == (1, 1)


def test_what_is_not_committed_is_not_there_and_what_is_stays(tmp_path: Path) -> None:
    store = opened(tmp_path / "s")
    store.append_events([event(number=1)])
    store.commit()
    store.append_events([event(number=2)])
    stop(store)
    with opened(tmp_path / "s") as again:
        assert events(again) == [(1, 1)]
        assert again.boot == 2


@pytest.mark.parametrize(
    ("changes", "wait"), [({"group_items": 6}, 0.0), ({"group_seconds": 2.0}, 2.5), ({"at_once": ("alarm",)}, 0.0)]
)
def test_a_group_ends_by_number_by_time_and_with_an_alarm(
    tmp_path: Path, changes: dict[str, object], wait: float
) -> None:
    clock = HandClock()
    store = opened(tmp_path / "s", clock, **changes)
    for number in range(2):
        store.append_events([event(number=number)])
        assert events(store) == []
    clock.forward(wait)
    store.append_events([event("alarm")])
    assert len(events(store)) == 3
    stop(store)


def test_rows_come_back_exactly_with_missing_values(tmp_path: Path) -> None:
    values = np.array([[1.1, np.nan], [-2.5e-30, 3e38], [np.inf, 0.0]], dtype=np.float32)
    times = np.array([0.0, 1 / 3, 1e9 + 1 / 3])
    with opened(tmp_path / "s") as store:
        store.append_rows("a", ("x", "y"), times[:1], values[:1])
        store.append_rows("a", ("x", "y"), times[1:], values[1:])
        store.append_rows("b", ("x",), np.zeros(1), np.ones((1, 1), np.float32))
        with pytest.raises(StoreDamagedError, match="expected rows of 2 columns"):
            store.append_rows("a", ("x", "y"), times, values[:, :1])
    with reader.look(tmp_path / "s") as database:
        (one,) = reader.rows(database, "device-1", "a")
        assert len(list(reader.rows(database, "device-1"))) == 2
    np.testing.assert_array_equal(one.times, times)
    np.testing.assert_array_equal(np.stack([one.values["x"], one.values["y"]], 1), values)


def test_queries_by_kind_label_stream_and_time(tmp_path: Path) -> None:
    clock = HandClock(wall=1000.0)
    with opened(tmp_path / "s", clock) as store:
        for number in range(600):
            clock.forward(1.0)
            store.append_events([event("alarm" if number % 3 else "decision", f"l{number % 2}", number)])
        store.commit()
        find = reader.events
        assert len(list(find(store.database, "alarm", limit=10**6))) == 400
        assert len(list(find(store.database, "alarm", "l1", limit=10**6))) == 200
        assert len(list(find(store.database, stream="nobody"))) == 0
        newest = next(iter(find(store.database, limit=1)))
        assert newest.event.time == 599.0
        span = list(find(store.database, since=1101.0, until=1111.0, newest=False))
        assert [s.event.time for s in span] == [float(n) for n in range(100, 110)]


def test_tables_keep_to_their_limits_and_the_oldest_goes_first(tmp_path: Path) -> None:
    limits: dict[str, Any] = {
        "events": Limits(bytes=8_000),
        "rows": Limits(bytes=20_000),
        "outbox": Limits(bytes=10_000),
    }
    with opened(tmp_path / "s", **limits) as store:
        for number in range(300):
            store.append_events([event(number=number)])
            put_rows(store, seed=number)
            store.commit()
        state = status.of(store)
        for name, limit in limits.items():
            assert 0 < state.tables[name].bytes <= limit.bytes
            assert state.tables[name].bytes > limit.bytes * 0.8
        assert events(store)[-1] == max(events(store))
        # Numbers run through all tables: the newest event is the one before the newest rows.
        assert min(events(store)) > (1, 300)
        assert sum(lost.items for lost in state.dropped if lost.reason == "quota") > 0


def test_age_is_running_time_whatever_the_wall_clock_says(tmp_path: Path) -> None:
    clock = HandClock()
    keep = Limits(days=30.0)
    with opened(tmp_path / "s", clock, events=keep, outbox=keep) as store:
        for jump in (400, -800, 400):
            store.append_events([event()])
            clock.now += jump * DAY
            clock.forward(120.0)
            store.commit()
        assert len(events(store)) == 3
        clock.forward(29 * DAY)
        store.append_events([event()])
        store.commit()
        assert len(events(store)) == 4
        clock.forward(2 * DAY)
        store.append_events([event()])
        store.commit()
        assert len(events(store)) == 2
        (lost,) = status.of(store).dropped
        assert (lost.reason, lost.items) == ("expired", 3)


def test_age_goes_on_over_boots_and_counts_no_time_switched_off(tmp_path: Path) -> None:
    clock = HandClock()
    with opened(tmp_path / "s", clock) as store:
        clock.forward(DAY)
        store.append_events([event()])
    clock.seconds = 7.0  # a new boot: the running clock begins again
    with opened(tmp_path / "s", clock) as store:
        assert store.age() == pytest.approx(DAY, abs=1.0)


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError, match="expected a quota of at least"):
        Store.open(tmp_path / "s", StoreConfig(quota=1 << 20))
    (tmp_path / "file").touch()
    with pytest.raises(StoreDamagedError, match="expected a folder for the store, got a file"):
        Store.open(tmp_path / "file")


def test_bytes_written_are_counted_and_grouping_spares_flash(tmp_path: Path) -> None:
    spent = {}
    for name, size in (("single", 1), ("grouped", 30)):
        with opened(tmp_path / name) as store:
            before = store.committer.wear.written.ever
            for number in range(30):
                store.append_events([event(number=number)])
                if number % size == size - 1:
                    store.commit()
            state = status.of(store)
            assert state.written_today == state.written_ever
            # The log has not been emptied yet: all that was written stands in it.
            log = (tmp_path / name / "store.sqlite-wal").stat().st_size
            assert state.written_ever - before == log
            store.committer.wear.checkpoint(store.age(), always=True)
            pages = (status.of(store).written_ever - before - log) // 4096
            assert 2 <= pages <= store.database.value("PRAGMA page_count")
            spent[name] = log
    assert spent["single"] > 8 * spent["grouped"]


@pytest.mark.parametrize("limits", [Limits(bytes=20_000), Limits(days=0.5)])
def test_a_smaller_limit_deletes_in_bounded_steps_until_it_is_kept(tmp_path: Path, limits: Limits) -> None:
    clock = HandClock()
    store = opened(tmp_path, clock)
    store.append_events([event(number=number) for number in range(6000)])
    store.commit()
    clock.forward(DAY)
    store.close()
    with opened(tmp_path, clock, events=limits) as store:
        clock.forward(3600.0)
        counts = []
        for number in range(8):
            store.append_events([event(number=number)])
            store.commit()
            counts.append(int(store.database.value("SELECT count(*) FROM events")))
    steps = [before - after for before, after in itertools.pairwise([6000, *counts])]
    assert max(steps) <= 32 * 64
    assert counts[0] > 3000
    assert counts[-1] < 300
