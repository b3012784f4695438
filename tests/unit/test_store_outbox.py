"""The outbox: order, acknowledgement, back-off, quota, expiry, names for ever."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import OutputError, StoreDamagedError
from edgewright.device.agent.startup import Delivered, deliver
from edgewright.device.sinks import NotYetError, Sink
from edgewright.device.store import status
from edgewright.device.store.records import Item, Limits, OutboxItem, Position
from edgewright.device.store.store import Store
from store_example import DAY, HandClock, event, opened, put_rows, stop


class Receiver(Sink):
    """A sink that keeps what it takes: by name, as a receiver must."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, int, int], Item] = {}
        self.order: list[Item] = []
        self.times = 0
        self.down = False
        self.refused: set[Position] = set()
        self.silent = False

    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        self.times += 1
        if self.down:
            raise OutputError("a receiver", "silence", "loopback")
        positions = []
        for leaving in batch:
            item = msgspec.json.decode(leaving.body, type=Item)
            if leaving.position in self.refused:
                continue
            if (item.device, item.boot, item.sequence) not in self.items:
                self.order.append(item)
            self.items[item.device, item.boot, item.sequence] = item
            positions.append(leaving.position)
        return [] if self.silent else positions


def take_all(store: Store) -> list[OutboxItem]:
    return store.outbox.take(1 << 30, 10**6)


def test_the_most_urgent_leaves_first_and_the_oldest_among_equals(tmp_path: Path) -> None:
    with opened(tmp_path / "s", send_columns=("ay",)) as store:
        put_rows(store)
        for kind in ("summary", "drift", "decision", "state", "anomaly", "health", "alarm", "decision"):
            store.append_events([event(kind)])
        store.commit()
        items = [msgspec.json.decode(t.body, type=Item) for t in take_all(store)]
        kinds = [item.body.get("kind", item.kind) for item in items]
        assert kinds == ["alarm", "health", "anomaly", "state", "decision", "decision", "drift", "summary", "rows"]
        assert items[4].sequence < items[5].sequence
        assert items[-1].body["names"] == ["ay"]
        assert [(item.device, item.boot) for item in items] == [("device-1", 1)] * 9
        assert take_all(store) == []


def test_an_item_stays_until_it_is_durable_there(tmp_path: Path) -> None:
    clock = HandClock()
    store = opened(tmp_path / "s", clock)
    store.append_events([event(number=n) for n in range(4)])
    store.commit()
    leaving = take_all(store)
    assert store.outbox.acknowledge([leaving[0].position], durable=True) == 1
    assert store.outbox.acknowledge([leaving[1].position], durable=False) == 0
    clock.forward(1000.0)
    assert [t.position for t in take_all(store)] == [leaving[1].position]
    # Not yet durable here: after a power cut the acknowledged item comes again, under its old name.
    stop(store)
    store = opened(tmp_path / "s", clock)
    assert [t.position for t in take_all(store)] == [t.position for t in leaving]
    store.outbox.acknowledge([leaving[0].position], durable=True)
    store.commit()
    stop(store)
    with opened(tmp_path / "s", clock) as again:
        assert [t.position for t in take_all(again)] == [t.position for t in leaving[1:]]


def test_a_late_acknowledgement_of_a_former_boot_counts(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as store:
        store.append_events([event("alarm"), event("summary")])
        store.commit()
        places = [t.position for t in take_all(store)]
    with opened(tmp_path / "s") as store:
        store.outbox.acknowledge(places, durable=True)
        store.commit()
        assert take_all(store) == []
        assert status.of(store).tables["outbox"].entries == 0


def test_batches_keep_to_their_size_and_one_item_always_fits(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as store:
        store.append_events([event(number=n) for n in range(20)])
        store.commit()
        (first,) = store.outbox.take(1)
        size = len(first.body)
        assert len(store.outbox.take(size * 5 + 4)) == 5
        assert len(store.outbox.take(1 << 20, items=3)) == 3


def test_failures_let_the_outbox_rest_longer_and_longer(tmp_path: Path) -> None:
    clock, sink = HandClock(), Receiver()
    with opened(tmp_path / "s", clock) as store:
        store.append_events([event()])
        store.commit()
        sink.down = True
        rests = []
        for _ in range(14):
            delivery = deliver(store, sink)
            assert (delivery.sent, delivery.arrived) == (1, 0)
            assert "silence" in delivery.problem
            assert take_all(store) == []
            rests.append(store.outbox.rest())
            clock.forward(store.outbox.rest() + 0.001)
        assert 1.0 <= rests[0] <= 2.0
        assert 60.0 <= max(rests) <= 120.0
        sink.down = False
        assert deliver(store, sink).arrived == 1
        assert store.outbox.rest() == 0.0


def test_what_is_handed_back_on_purpose_waits_and_is_no_problem(tmp_path: Path) -> None:
    class Later(Receiver):
        def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
            raise NotYetError

    with opened(tmp_path / "s", HandClock()) as store:
        store.append_events([event()])
        store.commit()
        assert deliver(store, Later()) == Delivered(1, 0, "")
        assert store.outbox.rest() > 0.0
        assert status.of(store).tables["outbox"].entries == 1


def test_an_item_that_is_refused_for_ever_holds_up_nobody(tmp_path: Path) -> None:
    clock, sink = HandClock(), Receiver()
    with opened(tmp_path / "s", clock) as store:
        store.append_events([event("alarm"), *[event(number=n) for n in range(500)]])
        store.commit()
        sink.refused = {(1, 1)}
        for _ in range(40):
            deliver(store, sink)
            clock.forward(30.0)
        assert len(sink.items) == 500
        assert status.of(store).waiting == {0: 1}
        sink.refused = set()
        clock.forward(2000.0)
        assert deliver(store, sink).arrived == 1


def test_thirty_days_offline_then_back_with_duplicates(tmp_path: Path) -> None:
    clock, sink = HandClock(), Receiver()
    put: list[tuple[int, str]] = []
    store = opened(tmp_path / "s", clock)
    sink.down = True
    for day in range(30):
        for kind in ("decision", "alarm", "summary"):
            numbers = store.append_events([event(kind, number=day)])
            put += [(store.boot, numbers[0], kind) for _ in (0,)]  # type: ignore[misc]
        store.commit()
        deliver(store, sink)
        clock.now += (400 if day % 2 else -400) * DAY
        clock.forward(DAY)
        if day % 10 == 9:
            stop(store)
            store = opened(tmp_path / "s", clock)
    sink.down, sink.silent = False, True
    clock.forward(1000.0)
    deliver(store, sink)  # arrived, but the answer was lost
    sink.silent = False
    clock.forward(1000.0)
    while deliver(store, sink).sent:
        clock.forward(1.0)
    assert {(b, s) for _, b, s in sink.items} == {(b, s) for b, s, _ in put}  # type: ignore[misc]
    assert sink.times > 2
    kinds = [item.body["kind"] for item in sink.order]
    assert kinds == ["alarm"] * 30 + ["decision"] * 30 + ["summary"] * 30
    for kind in ("alarm", "decision", "summary"):
        places = [(i.boot, i.sequence) for i in sink.order if i.body["kind"] == kind]
        assert places == sorted(places)
    stop(store)


def test_the_quota_takes_the_least_urgent_oldest_first_and_says_so(tmp_path: Path) -> None:
    with opened(tmp_path / "s", outbox=Limits(bytes=30_000)) as store:
        store.append_events([event("alarm", number=n) for n in range(20)])
        for number in range(200):
            store.append_events([event("decision", number=number), event("summary", number=number)])
            store.commit()
        items = [msgspec.json.decode(t.body, type=Item) for t in take_all(store)]
        kinds = [item.body.get("kind", item.kind) for item in items]
        assert kinds.count("alarm") == 20
        assert kinds.count("summary") == 0
        decisions = [item.body["time"] for item in items if item.body.get("kind") == "decision"]
        assert decisions == [float(n) for n in range(200 - len(decisions), 200)]
        assert kinds.count("dropped") == 1
        (record,) = [item.body["dropped"] for item in items if item.kind == "dropped"]
        assert {(d["priority"], d["reason"], d["items"]) for d in record} == {
            (6, "quota", 200), (4, "quota", 200 - len(decisions)),
        }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_the_quota_takes_in_batches_what_it_would_take_one_by_one(tmp_path: Path, seed: int) -> None:
    limit, rng = 40_000, np.random.default_rng(seed)
    items = [("x" * int(rng.integers(0, 200)), int(rng.integers(4, 9))) for _ in range(1000)]
    entries = []
    for name, size in (("large", 1 << 24), ("small", limit)):
        with opened(tmp_path / name, outbox=Limits(bytes=size), send_detail=("label",)) as store:
            for label, priority in items:
                store.outbox.put("summary", {"label": label}, priority)
            store.commit()
            of_items = "SELECT priority, sequence, size FROM outbox WHERE sequence <= 1000"
            entries.append(store.database.execute(f"{of_items} ORDER BY priority, sequence"))
            lost = status.of(store).dropped
    everything, left = entries
    assert len(everything) == 1000
    expected, gone = list(everything), []
    while sum(size for *_, size in expected) > limit:
        gone.append(min(expected, key=lambda item: (-item[0], item[1])))
        expected.remove(gone[-1])
    assert left == expected
    assert len(gone) > 200
    assert {(group.priority, group.items, group.bytes) for group in lost} == {
        (priority, len(sizes), sum(sizes))
        for priority in {item[0] for item in gone}
        if (sizes := [size for rank, _, size in gone if rank == priority])
    }


def test_what_is_too_old_goes_and_is_counted(tmp_path: Path) -> None:
    clock = HandClock()
    with opened(tmp_path / "s", clock) as store:
        store.outbox.put("summary", {"count": 1}, 6, expires=3600.0)
        store.outbox.put("summary", {"count": 2}, 6)
        store.commit()
        clock.forward(4000.0)
        (left,) = take_all(store)
        assert msgspec.json.decode(left.body, type=Item).body == {"count": 2}
        store.append_events([event()])
        store.commit()
        (lost,) = status.of(store).dropped
        assert (lost.priority, lost.reason, lost.items) == (6, "expired", 1)


def test_priorities_are_from_0_to_15(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as store, pytest.raises(StoreDamagedError, match="a priority from 0 to 15, got 16"):
        store.outbox.put("summary", {}, 16)
