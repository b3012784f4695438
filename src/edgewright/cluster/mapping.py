"""Results of a function for many tasks, in the order of the tasks: here, or spread over the workers of a block.

`on_engine` chooses the workers of everything in a block. Outside of such a block tasks run in this process, one after
the other. Function, tasks and results travel as pickles: whoever reaches a Dask cluster can run code on it anyway.
"""

from __future__ import annotations

import pickle  # noqa: TID251 - between processes that run this code, never in a file
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.cluster.contract import BatchError, Engine, engine_for
from edgewright.cluster.packing import packed
from edgewright.schema.errors import EdgewrightError, OutputError

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
WORK = "edgewright.cluster.mapping:call"
# Results that wait for the one before them, and batches that run, are together at most so many for each worker.
_AHEAD, _FEWEST_AHEAD = 4, 16


@dataclass(frozen=True)
class Progress:
    """How the tasks of a block stand.

    Attributes:
        done: number of tasks with a result.
        retried: number of batches whose worker died, and which another worker took.
        workers: number of workers.
        cpu_seconds: CPU seconds that the workers spent on tasks.
    """

    done: int
    retried: int
    workers: int
    cpu_seconds: float


@dataclass
class _Session:
    engine: Engine
    watch: Callable[[Progress], None]
    done: int = 0
    cpu_seconds: float = 0.0

    def note(self, tasks: int, seconds: float) -> None:
        self.done, self.cpu_seconds = self.done + tasks, self.cpu_seconds + seconds
        self.watch(Progress(self.done, self.engine.retried, self.engine.workers, self.cpu_seconds))


_SESSION: ContextVar[_Session | None] = ContextVar("session", default=None)


@contextmanager
def on_engine(engine: Engine, watch: Callable[[Progress], None] = lambda _: None) -> Iterator[Engine]:
    """Spread the tasks of a block over the workers of an engine.

    Args:
        engine: engine; it is started, and stopped after the block.
        watch: hears how the tasks stand after every result.
    """
    with engine:
        token = _SESSION.set(_Session(engine, watch))
        try:
            yield engine
        finally:
            _SESSION.reset(token)


def current_engine() -> Engine:
    """Return the engine of this block; outside of one this process."""
    session = _SESSION.get()
    return engine_for() if session is None else session.engine


def is_spread() -> bool:
    """Return whether tasks of this block go to workers."""
    return _SESSION.get() is not None


def outcomes(
    function: Callable[[S, T], R], shared: S, tasks: Iterable[T], *, chunk: int = 1
) -> Generator[R | BatchError, None, None]:
    """Yield the result of a function for each task, in the order of the tasks, as soon as it is known.

    Tasks compute with one BLAS thread each, here and on workers, so that sums round alike.

    Closing the generator ends the tasks that run.

    Args:
        function: function of an installed module.
        shared: first argument of all calls; sent to each worker once. What a call keeps in it is there for the next one
            of the same worker.
        tasks: second argument of each call, taken while workers are free.
        chunk: tasks that travel together; more where one takes milliseconds.

    Yields:
        The result; the error where the call failed otherwise than by an `EdgewrightError`.

    Raises:
        EdgewrightError: a call raised it.
        ClusterLostError: a cluster is lost.
    """
    session = _SESSION.get()
    if session is None:
        with threadpool_limits(1):
            for task in tasks:
                yield function(shared, task)
        return
    given, window = iter(tasks), _Window(session.engine)

    def batches() -> Iterator[bytes | None]:
        while True:
            while window.is_full:
                yield None
            batch = [task for _, task in zip(range(chunk), given, strict=False)]
            if not batch:
                return
            window.begun.append(len(batch))
            yield packed(batch)

    answers = session.engine.run(WORK, packed((function, shared)), batches())
    with closing(answers):
        for index, answer in answers:
            size = window.begun[index]
            if isinstance(answer, BatchError):
                window.waiting[index] = [answer] * size
                session.note(size, 0.0)
            else:
                results, seconds = pickle.loads(answer)  # noqa: S301 - of a worker that runs this code
                if isinstance(results, EdgewrightError):
                    raise results
                window.waiting[index] = results
                session.note(size, seconds)
            while window.first in window.waiting:
                results = window.waiting.pop(window.first)
                window.first += 1
                yield from results


def each(function: Callable[[S, T], R], shared: S, tasks: Iterable[T], *, chunk: int = 1) -> Iterator[R]:
    """Yield the results of `outcomes`.

    Raises:
        EdgewrightError: as `outcomes`.
        OutputError: a call failed, or ended the workers that ran it.
    """
    with closing(outcomes(function, shared, tasks, chunk=chunk)) as results:
        for result in results:
            if isinstance(result, BatchError):
                raise OutputError("workers that finish a task", result.reason, "--cluster", "Run it without --cluster")
            yield result


@dataclass
class _Window:
    """Batches of a call, and results that wait for the one before them.

    Attributes:
        engine: runs them.
        begun: number of tasks of each batch that was given to the engine.
        first: index of the first batch without a result.
        waiting: results by index.
    """

    engine: Engine
    begun: list[int] = field(default_factory=list)
    first: int = 0
    waiting: dict[int, list[Any]] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        return len(self.begun) - self.first >= max(_FEWEST_AHEAD, _AHEAD * self.engine.workers)


@lru_cache(maxsize=1)
def _called(shared: bytes) -> tuple[Callable[[Any, Any], Any], Any]:
    called: tuple[Callable[[Any, Any], Any], Any] = pickle.loads(shared)  # noqa: S301 - of the client of this worker
    return called


def call(shared: bytes, batch: bytes) -> bytes:
    """Call a function with each task of a batch; the work of `outcomes`.

    Returns:
        Pickle of the results, or of an `EdgewrightError`, and the CPU seconds.
    """
    began = time.process_time()
    try:
        function, argument = _called(shared)
        with threadpool_limits(1):
            results: object = [function(argument, task) for task in pickle.loads(batch)]  # noqa: S301 - of its client
    except EdgewrightError as error:
        results = error
    return pickle.dumps((results, time.process_time() - began))
