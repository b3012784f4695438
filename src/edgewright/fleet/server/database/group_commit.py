"""Group commit: one thread runs many operations in one transaction and answers them when it is durable."""

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

from edgewright.core.errors import EdgewrightError, OutputError
from edgewright.fleet.server.background import line
from edgewright.fleet.server.database.engine import lock
from edgewright.fleet.server.database.postgres import WriteError, is_lost, may_try_again

T = TypeVar("T")
A = TypeVar("A")
Work = Callable[[sa.Connection], T]
Bulk = Callable[[sa.Connection, Sequence[A]], Sequence[T | EdgewrightError]]
"""Maps many arguments to as many results; an error instead of a result belongs to that argument. It may run at the
same time as on another server, so it locks the rows it uses."""
WAITING, GROUP = 4096, 1024
_ATTEMPTS = 4
"""Attempts for a transaction that conflicts with a concurrent one, or whose connection is lost."""
_PAUSE_S = 0.1
TROUBLE = 30.0
"""Seconds for which a failed write is reported; limited, since no further write may be requested in the meantime."""


class BusyError(EdgewrightError):
    """The write queue is full; nothing was done.

    Attributes:
        wait: seconds after which to retry.
    """

    wait = 1.0

    def __init__(self) -> None:
        super().__init__("room in the queue of writes", "a full one", do="Ask again later")


@dataclass(frozen=True)
class _Request:
    bulk: Bulk[Any, Any] | None
    argument: Any
    answer: Future[Any]


class Committer:
    """Runs all waiting operations in one transaction, commits it, and then answers them.

    If an operation raises, only that operation is rolled back (savepoint). Operations run in the order of submission.

    Args:
        engine: engine for writing.
        waiting: largest number of waiting operations; more are refused.
        group: largest number of operations in a transaction.
        thread: whether a separate thread commits; otherwise each caller commits its own operation, as in simulations.
        reported: called after each commit with its number of operations and its duration in seconds.
        gone: tells why the database can no longer be written, such as a removed file; called before and after each
            commit, so that nothing is acknowledged into a file that is gone.
    """

    def __init__(
        self, engine: sa.Engine, *, waiting: int = WAITING, group: int = GROUP, thread: bool = True,
        reported: Callable[[int, float], None] | None = None, gone: Callable[[], str] = lambda: "",
    ) -> None:  # fmt: skip
        self._engine, self._group, self.reported, self._gone = engine, group, reported, gone
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
        """Number of waiting operations."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether the committer accepts operations."""
        return not self._closed and (self._thread is None or self._thread.is_alive())

    @property
    def trouble(self) -> str:
        """Why nothing can be written, or the last write failed; empty after a success or 30 s without a write."""
        why, at = self._failed
        return self._gone() or (why if why and time.monotonic() - at < TROUBLE else "")

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue one operation.

        Returns:
            A future with the durable result, the operation's exception, or `OutputError` if the commit failed.

        Raises:
            BusyError: the queue is full, or the committer is closed.
        """
        return self._put(_Request(None, work, Future()))

    def submit_to(self, bulk: Bulk[A, T], argument: A) -> Future[T]:
        """Queue one argument of a bulk operation, which processes adjacent waiting arguments together.

        Returns and raises the same as `submit`.
        """
        return self._put(_Request(bulk, argument, Future()))

    def close(self, seconds: float = 10.0) -> None:
        """Write the waiting operations and stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)

    def _put(self, request: _Request) -> Future[Any]:
        request.answer.set_running_or_notify_cancel()  # the caller can no longer cancel it
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
            self._check()
            answers = self._transaction(group)
            self._check()
        except Exception as error:  # noqa: BLE001 - a disk or database error: all waiting callers get it, and the thread continues
            failure = _failed(error)
            self._answer([(request.answer, failure) for request in group], failure.got)
            return
        failures = [result.got for _, result in answers if isinstance(result, WriteError)]
        self._answer(answers, failures[0] if failures else "")
        if self.reported is not None:
            self.reported(len(group), time.perf_counter() - began)

    def _check(self) -> None:
        """Raise OutputError if the database can no longer be written."""
        if why := self._gone():
            raise OutputError("the files of the database as they were opened", why)

    def _answer(self, answers: list[tuple[Future[Any], Any]], why: str) -> None:
        """Answer operations, of which a write failed with this reason; a server logs the first one and the recovery."""
        before, self._failed = self.trouble, (why, time.monotonic())
        for future, result in answers:
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        if self._thread is not None and bool(before) != bool(why):
            line("error" if why else "info", "commit.failed" if why else "commit.well", why=why)

    def _transaction(self, group: list[_Request]) -> list[tuple[Future[Any], Any]]:
        """Run operations and commit; start over after a conflict or a lost connection."""
        shared = all(operation.bulk is not None for operation in group)
        for left in reversed(range(_ATTEMPTS)):
            answers: list[tuple[Future[Any], Any]] = []
            committing = False
            try:
                with self._engine.begin() as connection:
                    lock(connection, shared=shared)
                    # Run adjacent arguments of the same bulk operation together, and every other operation alone.
                    for _, some in groupby(group, key=lambda operation: id(operation.bulk or operation)):
                        run = list(some)
                        answers += zip((operation.answer for operation in run), _run(connection, run), strict=True)
                    committing = True
                break
            except sa.exc.SQLAlchemyError as error:
                # It is unknown whether a commit without an answer succeeded, so the caller decides.
                lost = is_lost(error) and not committing
                if not left or not (lost or may_try_again(error)):
                    raise
                time.sleep(_PAUSE_S if lost else 0.0)
        return answers


def _run(connection: sa.Connection, run: list[_Request]) -> Sequence[Any]:
    bulk = run[0].bulk
    if bulk is None:
        return [_alone(connection, run[0].argument)]
    arguments = [operation.argument for operation in run]
    together = _alone(connection, lambda c: bulk(c, arguments))
    if not isinstance(together, BaseException):
        return list(together)
    # One argument failed: run each one separately, so that only that one fails.
    results = [_alone(connection, lambda c, single=argument: bulk(c, [single])) for argument in arguments]  # type: ignore[misc]
    return [result if isinstance(result, BaseException) else result[0] for result in results]


def _alone(connection: sa.Connection, work: Work[Any]) -> Any:  # noqa: ANN401 - whatever the operation gives
    try:
        with connection.begin_nested():
            return work(connection)
    except sa.exc.SQLAlchemyError as error:
        if may_try_again(error) or is_lost(error):
            raise
        return _failed(error) if isinstance(error, sa.exc.OperationalError) else error
    except Exception as error:  # noqa: BLE001 - the caller of this operation gets it
        return error


def _failed(error: Exception) -> WriteError:
    # On a full disk SQLite ends the whole transaction and rolling back the savepoint fails too: the first error is the
    # cause.
    first: BaseException = error
    earlier = error.__context__
    while earlier is not None:
        first = earlier if isinstance(earlier, sa.exc.DBAPIError) else first
        earlier = earlier.__context__
    return WriteError("to write to the fleet's database", str(first).splitlines()[0], do="Ask again later")
