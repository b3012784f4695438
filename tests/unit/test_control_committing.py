"""Group commit: what is answered is durable, and one bad operation spoils no other."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from edgewright.fleet.server.database import audit_chain, group_commit
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import BusyError, Committer
from edgewright.fleet.server.database.tables import audit
from edgewright.fleet.server.log import line
from edgewright.schema.errors import EdgewrightError, InputError, OutputError


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path)
    yield database
    database.close()


def add(connection: sa.Connection, action: str) -> str:
    audit_chain.append(connection, at=1.0, who="test", action=action)
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
        assert audit_chain.verify(connection)[0] == 2


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
