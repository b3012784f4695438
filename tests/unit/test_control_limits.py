"""Limits, commits and static files of the control plane."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError, InputError, OutputError
from edgewright.core.records.fleet import Acknowledged
from edgewright.fleet.server.background import line
from edgewright.fleet.server.control_plane import Limits
from edgewright.fleet.server.database import group_commit, tables
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import BusyError, Committer
from edgewright.fleet.server.database.tables import audit
from edgewright.fleet.server.limits import Buckets, ConcurrencyLimit, CrowdedError
from fleet_plane import Client, enrolled, plane_of


class Hand:
    """Seconds that move when they are told to."""

    def __init__(self) -> None:
        self.up = 0.0

    def __call__(self) -> float:
        return self.up


LONG = 10_000


def refused(crowd: ConcurrencyLimit, length: int = 0) -> float:
    with pytest.raises(CrowdedError) as exception_info, crowd.admit(length):
        pass
    return exception_info.value.wait


def test_so_many_come_in_and_so_many_bytes_and_all_room_is_given_back() -> None:
    crowd = ConcurrencyLimit(12, 2 * LONG, 0.5, Hand())
    with crowd.admit(5 * LONG):  # a large one alone
        assert refused(crowd, LONG) > 0.0
    with crowd.admit(LONG), crowd.admit(LONG):
        assert refused(crowd, LONG) > 0.0  # so many bytes
    with crowd.admit(5000), crowd.admit(5000), crowd.admit(5000), ExitStack() as short:
        assert refused(crowd, 5000) > 0.0  # a quarter of the places
        for _ in range(9):
            short.enter_context(crowd.admit(0))
        assert refused(crowd) > 0.0
    with pytest.raises(ZeroDivisionError), crowd.admit(100):
        raise ZeroDivisionError
    assert (crowd.here, crowd.bytes) == (0, 0)


def test_a_short_request_waits_only_for_other_short_ones() -> None:
    crowd = ConcurrencyLimit(4, 2 * LONG, 0.5, Hand())
    with crowd.admit(LONG):
        waits = [refused(crowd, LONG) for _ in range(400)]
        assert waits[-1] > 15.0
        with crowd.admit(0), crowd.admit(0), crowd.admit(0):
            assert refused(crowd) == 2.0


def test_the_more_are_sent_away_the_later_they_are_asked_to_come_and_it_passes() -> None:
    clock = Hand()
    crowd = ConcurrencyLimit(1, 100, 0.5, clock)
    assert crowd.more == 0.5
    with ExitStack() as inside:
        inside.enter_context(crowd.admit(0))
        waits = []
        for _ in range(4000):
            clock.up += 0.005
            waits.append(refused(crowd, LONG))
        assert 10.0 < max(refused(crowd) for _ in range(1600)) < 30.0  # short ones are answered sooner
    assert waits == sorted(waits)
    assert waits[0] == 2.0
    assert waits[-1] == 60.0
    assert crowd.late == crowd.more == 60.0  # who brings a backlog waits for those who have not been heard at all
    clock.up += 120.0
    assert crowd.more == 0.5
    assert crowd.late < 0.01


def test_a_crowd_is_told_when_to_come_and_keeps_no_operator_away(tmp_path: Path) -> None:
    async def talk() -> None:
        with plane_of(tmp_path, limits=Limits(crowd=1)) as plane:
            client = Client(plane)
            device = await enrolled(client)
            assert (await device.report()).status_code == 200
            with plane.crowd.admit(10):
                answer = await device.report(items=[{"filler": "x" * 50_000}])
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) >= 2
                listed = await client.ask("GET", "/v1/fleet/devices", local=True)
                assert listed.status_code == 200
            assert b'status="503"' in plane.counted.text()
            response = await device.report()
            assert response.status_code == 200
            assert msgspec.json.decode(response.content, type=Acknowledged).more >= plane.limits.spacing
            assert plane.crowd.here == 0

    asyncio.run(talk())


def test_those_that_are_kept_follow_who_is_busy_and_not_how_many_there_are() -> None:
    buckets = Buckets(rate=1.0, burst=10.0)
    for number in range(50_000):
        assert buckets.take(f"device-{number}", number / 100.0) == 0.0
    assert len(buckets) < 1000  # a bucket is full after a second, in which 100 ask


@pytest.mark.slow
def test_who_has_asked_too_much_is_remembered_behind_any_number_of_others() -> None:
    buckets = Buckets(1000.0 / 86_400.0, 1000.0)
    assert buckets.take("greedy", 0.0, 1000.0) == 0.0
    for number in range(150_000):
        buckets.take(f"device-{number}", number / 1000.0, 0.001)
    assert buckets.take("greedy", 150.0, 1000.0) > 80_000.0


def test_the_number_is_bounded_whatever_the_names_do() -> None:
    buckets = Buckets(rate=1e-9, burst=1.0, names=100)
    for number in range(1000):
        assert buckets.take(f"device-{number}", 0.0) == 0.0
    assert len(buckets) == 100
    assert buckets.take("device-0", 0.0) == 0.0  # forgotten
    assert buckets.take("device-0", 0.0) > 0.0


def test_a_bucket_fills_at_its_rate_and_says_how_long_it_takes() -> None:
    buckets = Buckets(rate=2.0, burst=4.0)
    assert [buckets.take("a", 0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.5]
    assert buckets.take("a", 0.5) == 0.0 and buckets.take("a", 0.5) == 0.5
    assert buckets.take("a", 100.0, 4.0) == 0.0


@pytest.mark.anyio
async def test_a_body_counts_as_at_most_what_its_endpoint_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit, lengths = ConcurrencyLimit.admit, list[int]()

    def noted(self: ConcurrencyLimit, length: int) -> AbstractContextManager[None]:
        lengths.append(length)
        return admit(self, length)

    monkeypatch.setattr(ConcurrencyLimit, "admit", noted)
    with plane_of(tmp_path) as plane:
        device = await enrolled(Client(plane))
        await device.send("enroll", bytes(10_000), "new")
        body = device.body()
        assert (await device.send("report", body)).status_code == 200
    assert lengths[-2:] == [4096, len(body)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path)
    yield database
    database.close()


def add(connection: sa.Connection, action: str) -> str:
    tables.append_audit_row(connection, at=1.0, who="test", action=action)
    if action.startswith("bad"):
        raise InputError("something good", action)
    return action


def add_all(connection: sa.Connection, names: Sequence[str]) -> list[str | EdgewrightError]:
    return [InputError("another", name) if name == "no" else add(connection, name) for name in names]


def written(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row.what for row in connection.execute(sa.select(audit).order_by(audit.c.number))]


def held_up(committer: Committer) -> threading.Event:
    """Let operations wait until the event is set."""
    go, begun = threading.Event(), threading.Event()

    def wait(connection: sa.Connection) -> None:
        begun.set()
        go.wait(10)

    committer.submit(wait)
    assert begun.wait(10)
    return go


def test_one_that_raises_is_undone_alone(database: Database) -> None:
    sizes: list[int] = []
    committer = Committer(database.writing, reported=lambda count, seconds: sizes.append(count))
    go = held_up(committer)
    futures = [committer.submit(partial(add, action=action)) for action in ("a", "bad", "b")]
    go.set()
    assert futures[0].result(10) == "a"
    assert isinstance(futures[1].exception(10), InputError)
    assert futures[2].result(10) == "b"
    committer.close()
    assert written(database) == ["a", "b"]
    assert sizes == [1, 3]
    with database.reading() as connection:
        assert tables.verify_audit_log(connection)[0] == 2


def test_many_at_once_fall_back_to_one_by_one(database: Database) -> None:
    committer = Committer(database.writing)
    go = held_up(committer)
    futures = [committer.submit_to(add_all, name) for name in ("a", "bad", "no", "b")]
    alone = committer.submit(lambda c: add(c, "alone"))
    go.set()
    assert [futures[0].result(10), futures[3].result(10), alone.result(10)] == ["a", "b", "alone"]
    assert isinstance(futures[1].exception(10), InputError)
    assert isinstance(futures[2].exception(10), InputError)
    committer.close()
    assert written(database) == ["a", "b", "alone"]


def test_what_is_answered_is_there_for_others(database: Database) -> None:
    committer = Committer(database.writing)
    for number in range(20):
        committer.submit(partial(add, action=f"w{number}")).result(10)
        assert written(database)[-1] == f"w{number}"
    committer.close()


def test_a_full_queue_refuses_and_what_waits_is_written(database: Database) -> None:
    committer = Committer(database.writing, waiting=2)
    go = held_up(committer)
    futures = [committer.submit(partial(add, action=f"w{n}")) for n in range(2)]
    with pytest.raises(BusyError):
        committer.submit(lambda c: add(c, "too many"))
    threading.Timer(0.05, go.set).start()
    committer.close()
    assert [future.result(0) for future in futures] == ["w0", "w1"]
    assert not committer.alive
    with pytest.raises(BusyError):
        committer.submit(lambda c: add(c, "after"))
    assert written(database) == ["w0", "w1"]


def test_a_commit_that_fails_is_told_to_all_and_the_next_works(database: Database) -> None:
    broken = [True]

    @sa.event.listens_for(database.writing, "commit")
    def fail(connection: sa.Connection) -> None:
        if broken[0]:
            raise sa.exc.OperationalError("COMMIT", {}, OSError("disk full"))

    committer = Committer(database.writing)
    go = held_up(committer)
    futures = [committer.submit(partial(add, action=f"w{n}")) for n in range(3)]
    go.set()
    assert all(isinstance(future.exception(10), OutputError) for future in futures)
    broken[0] = False
    assert committer.submit(lambda c: add(c, "later")).result(10) == "later"
    committer.close()
    assert written(database) == ["later"]


def test_without_a_thread_the_caller_commits(database: Database) -> None:
    committer = Committer(database.writing, thread=False)
    assert committer.submit(lambda c: add(c, "here")).result(0) == "here"
    assert committer.submit_to(add_all, "there").result(0) == "there"
    assert isinstance(committer.submit(lambda c: add(c, "bad")).exception(0), InputError)
    assert written(database) == ["here", "there"]
    committer.close()


def test_a_full_disk_is_told_until_something_is_written_again(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    committer = Committer(database.writing)

    def room(connection: sa.Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    long = "x" * 150
    assert committer.submit(partial(add, action=long)).result(10)
    assert committer.trouble == ""
    committer.submit(partial(room, pages=1)).result(10)  # no more than there are
    failed = None
    for _ in range(1000):
        failed = committer.submit(partial(add, action=long)).exception(10)
        if failed is not None:
            break
    assert isinstance(failed, OutputError)
    assert "full" in committer.trouble
    assert isinstance(committer.submit(partial(add, action=long)).exception(10), OutputError)
    committer.submit(partial(room, pages=1_000_000)).result(10)
    assert committer.submit(partial(add, action="bad")).exception(10)  # refused, and no matter of the disk
    assert committer.trouble == ""
    committer.close()
    lines = [line for line in capsys.readouterr().err.splitlines() if '"commit.' in line]
    assert ["commit.failed" in line for line in lines] == [True, False]
    assert "full" in lines[0]


def test_a_log_that_cannot_be_written_stops_no_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    committer = Committer(database.writing)
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        monkeypatch.setattr(committer, "_check", raising)
        futures = [committer.submit(partial(add, action=str(number))) for number in range(3)]
        assert all(isinstance(future.exception(10), OutputError) for future in futures)
        monkeypatch.undo()
        monkeypatch.setattr(sys, "stderr", full)
        assert committer.submit(partial(add, action="later")).result(10) == "later"
        line("info", "closing")
        monkeypatch.undo()
        with suppress(OSError):
            full.close()
    assert committer.alive
    committer.close()


def raising() -> None:
    raise OutputError("the files of the database", "none")


def test_a_log_that_fails_in_another_way_leaves_nobody_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object, **more: object) -> None:
        raise RuntimeError("log")

    monkeypatch.setattr(group_commit, "line", broken)
    committer = Committer(database.writing, thread=False)
    monkeypatch.setattr(committer, "_thread", threading.current_thread())
    monkeypatch.setattr(committer, "_check", raising)
    waiting: Future[str] = Future()
    with pytest.raises(RuntimeError, match="log"):
        committer._commit([group_commit._Request(None, partial(add, action="x"), waiting)])
    assert isinstance(waiting.exception(0), OutputError)


def test_a_write_that_failed_long_ago_is_not_told_any_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    committer = Committer(database.writing, thread=False)
    committer.submit(lambda connection: connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)"))
    assert "nowhere" in committer.trouble
    monkeypatch.setattr(group_commit, "TROUBLE", 0.0)
    assert committer.trouble == ""
    committer.close()
