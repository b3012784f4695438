"""Group commit: one thread writes, many operations in one transaction, and all are answered when it is durable."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy as sa

from edgewright.fleet.server.database.engine import lock
from edgewright.fleet.server.database.postgres import may_try_again
from edgewright.fleet.server.log import line
from edgewright.schema.errors import EdgewrightError, OutputError

T = TypeVar("T")
A = TypeVar("A")
Work = Callable[[sa.Connection], T]
Bulk = Callable[[sa.Connection, Sequence[A]], Sequence[T | EdgewrightError]]
"""Many arguments at once to as many results; an error in place of a result is that argument's own. It may run beside
that of another server, and so locks the rows that it is about."""
WAITING, GROUP = 4096, 1024
_ATTEMPTS = 4
"""Of a transaction that failed only because of another at the same time."""
TROUBLE = 30.0
"""Seconds for which a write that failed is told; not for ever, since nobody may ask for another one meanwhile."""


class BusyError(EdgewrightError):
    """More waits to be written than fits; nothing was done.

    Attributes:
        wait: seconds after which to ask again.
    """

    def __init__(self, wait: float = 1.0) -> None:
        super().__init__("room in the queue of writes", "a full one", do="Ask again later")
        self.wait = wait


@dataclass(frozen=True)
class _Request:
    bulk: Bulk[Any, Any] | None
    argument: Any
    answer: Future[Any]


class Committer:
    """Takes operations, runs as many as wait in one transaction, commits, and only then answers.

    An operation that raises is undone by itself (a savepoint); the others of its group stand. Operations run in the
    order in which they came.

    Args:
        engine: to write with.
        waiting: operations that may wait; one more is refused.
        group: most operations in a transaction.
        thread: without one each operation is run and committed by its caller: a simulation's way.
        told: called after each commit with how many operations it held and its seconds.
    """

    def __init__(
        self, engine: sa.Engine, *, waiting: int = WAITING, group: int = GROUP, thread: bool = True,
        reported: Callable[[int, float], None] | None = None,
    ) -> None:  # fmt: skip
        self._engine, self._group, self.told = engine, group, reported
        self._queue: queue.Queue[_Request | None] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._closed = False
        self._failed: tuple[str, float] = ("", 0.0)  # why the last write failed, and when on the monotonic clock
        self._thread: threading.Thread | None = None
        if thread:
            self._thread = threading.Thread(target=self._run, name="fleet-writer", daemon=True)
            self._thread.start()

    @property
    def waiting(self) -> int:
        """Operations that wait now."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether it takes operations."""
        return not self._closed and (self._thread is None or self._thread.is_alive())

    @property
    def trouble(self) -> str:
        """Why nothing could be written lately (a full disk, say); empty where something was since, or nobody tried."""
        why, at = self._failed
        return why if why and time.monotonic() - at < TROUBLE else ""

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue one operation.

        Returns:
            Its result once it is durable; or what it raised, or `OutputError` where the commit failed.

        Raises:
            BusyError: the queue is full, or the committer is closed.
        """
        return self._put(_Request(None, work, Future()))

    def submit_to(self, bulk: Bulk[A, T], argument: A) -> Future[T]:
        """Queue one argument of an operation that takes all that wait next to each other at once.

        Returns, raises: as `submit`.
        """
        return self._put(_Request(bulk, argument, Future()))

    def close(self, seconds: float = 10.0) -> None:
        """Write what waits and end."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)

    def _put(self, request: _Request) -> Future[Any]:
        request.answer.set_running_or_notify_cancel()  # from here on nobody can take it back
        with self._lock:
            if self._closed:
                raise BusyError
            if self._thread is None:
                self._commit([request])
                return request.answer
            try:
                self._queue.put_nowait(request)
            except queue.Full:
                raise BusyError from None
        return request.answer

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group, last = [first], False
            while len(group) < self._group:
                try:
                    request = self._queue.get_nowait()
                except queue.Empty:
                    break
                if request is None:
                    last = True
                    break
                group.append(request)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Request]) -> None:
        began = time.perf_counter()
        try:
            answers = self._transaction(group)
        except Exception as error:  # noqa: BLE001 - the disk, the database: told to all who wait, the thread goes on
            failure = _failed(error)
            self._note(failure.got)
            for request in group:
                request.answer.set_exception(failure)
            return
        failures = [result.got for _, result in answers if isinstance(result, _WriteError)]
        self._note(failures[0] if failures else "")
        for future, result in answers:
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        if self.told is not None:
            self.told(len(group), time.perf_counter() - began)

    def _note(self, why: str) -> None:
        """Keep why a write failed, and tells it in a server's log: when it begins, and when it is over."""
        before, self._failed = self.trouble, (why, time.monotonic())
        if self._thread is not None and bool(before) != bool(why):
            line("error" if why else "info", "commit.failed" if why else "commit.well", why=why)

    def _transaction(self, group: list[_Request]) -> list[tuple[Future[Any], Any]]:
        """Run operations and commit; from the beginning where another server's transaction was in the way."""
        shared = all(asked.bulk is not None for asked in group)
        for left in reversed(range(_ATTEMPTS)):
            answers: list[tuple[Future[Any], Any]] = []
            try:
                with self._engine.begin() as connection:
                    lock(connection, shared=shared)
                    # Neighbours of the same bulk operation together, every other operation alone.
                    for _, some in groupby(group, key=lambda asked: id(asked.bulk or asked)):
                        run = list(some)
                        answers += zip((asked.answer for asked in run), _run(connection, run), strict=True)
                break
            except sa.exc.DBAPIError as error:
                if not left or not may_try_again(error):
                    raise
        return answers


def _run(connection: sa.Connection, run: list[_Request]) -> Sequence[Any]:
    """Results, or exceptions, in the order of the operations."""
    bulk = run[0].bulk
    if bulk is None:
        return [_alone(connection, run[0].argument)]
    arguments = [asked.argument for asked in run]
    together = _alone(connection, lambda c: bulk(c, arguments))
    if not isinstance(together, BaseException):
        return list(together)
    # One of them spoils all: each for itself, so that only that one fails.
    results = [_alone(connection, lambda c, one=argument: bulk(c, [one])) for argument in arguments]  # type: ignore[misc]
    return [result if isinstance(result, BaseException) else result[0] for result in results]


def _alone(connection: sa.Connection, work: Work[Any]) -> Any:  # noqa: ANN401 - whatever the operation gives
    try:
        with connection.begin_nested():
            return work(connection)
    except sa.exc.OperationalError as error:
        if may_try_again(error):
            raise
        return _failed(error)
    except Exception as error:  # noqa: BLE001 - told to the one who asked
        return error


class _WriteError(OutputError):
    """The database or its disk took nothing."""


def _failed(error: Exception) -> _WriteError:
    # A full disk makes SQLite end the whole transaction, and then the savepoint cannot be undone: the first says why.
    first: BaseException = error
    earlier = error.__context__
    while earlier is not None:
        first = earlier if isinstance(earlier, sa.exc.DBAPIError) else first
        earlier = earlier.__context__
    return _WriteError("to write to the fleet's database", str(first).splitlines()[0], do="Ask again later")
