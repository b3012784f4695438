"""Map a function over tasks in this process, in local processes or on a Dask cluster, in the order of the tasks.

`on_engine` chooses the workers of a block. Outside of such a block, tasks run in this process one after the other.
Functions, tasks and results travel as pickles: whoever reaches a Dask cluster can run code on it anyway.
"""

from __future__ import annotations

import io
import pickle  # noqa: TID251 - between processes that run this code, never in a file
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.core.catalogue import find
from edgewright.core.errors import EdgewrightError, OutputError

# A batch that ends this many workers is at fault itself; a machine that is taken away ends one of them.
MAX_ATTEMPTS = 4
# Maximum number of batches, per worker and in total at least, that run or wait for the result of an earlier batch.
_AHEAD, _MIN_AHEAD = 4, 16
# Arrays of at least this many texts, whole numbers or booleans are sent as runs of equal values.
_MIN_ROWS, _KINDS = 4096, "Uiub"
S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class BatchError(Exception):
    """A batch failed: its function raised an error, or `MAX_ATTEMPTS` workers died while they ran it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ClusterLostError(OutputError):
    """A cluster is lost in the middle of its work."""


class Engine:
    """Runs batches of tasks on workers, one batch at a time on each; by itself in this process.

    Attributes:
        workers: number of batches that run at the same time; it follows the size of a cluster.
        retried: number of batches whose worker died.
        title: name for people, such as 'dask://10.0.0.7:8786'.
    """

    title = ""

    def __init__(self) -> None:
        self.workers, self.retried = 1, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def _free(self, busy: Collection[Any]) -> Iterable[Any]:
        """Return workers without a batch."""
        raise NotImplementedError

    def _begin(self, worker: Any, shared: bytes, batch: bytes) -> Any:  # noqa: ANN401 - of the engine
        """Run `call` on a worker and return a handle; the shared bytes are sent to each worker once."""
        raise NotImplementedError

    def _finished(self, busy: Mapping[Any, Any]) -> list[tuple[Any, bytes | BatchError | None]]:
        """Return workers with their results by the handles of busy workers, None if the worker died; wait a moment."""
        raise NotImplementedError

    def _abandon(self, busy: Mapping[Any, Any]) -> None:
        """End batches whose results nobody takes."""

    def run(
        self, shared: bytes, batches: Iterator[bytes | None]
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        """Run `call` with every batch; a batch whose worker dies is retried on another worker.

        Args:
            shared: bytes that all batches need.
            batches: consumed as workers become free. None means that no batch may begin before the next result.

        Yields:
            Index of a batch, and its result or the error, in the order in which they finish.

        Raises:
            ClusterLostError: a cluster is lost; earlier results have been yielded.
        """
        number, deaths = 0, Counter[int]()
        again, jobs = deque[tuple[int, bytes]](), dict[Any, tuple[int, bytes]]()
        busy = dict[Any, Any]()
        try:
            while True:
                for worker in self._free(busy):
                    if not again and (batch := next(batches, None)) is not None:
                        again.append((number, batch))
                        number += 1
                    if not again:
                        break
                    jobs[worker] = again.popleft()
                    busy[worker] = self._begin(worker, shared, jobs[worker][1])
                if not busy:
                    return
                for worker, answer in self._finished(busy):
                    del busy[worker]
                    index = jobs[worker][0]
                    if answer is not None:
                        yield index, answer
                        continue
                    self.retried += 1
                    deaths[index] += 1
                    if deaths[index] < MAX_ATTEMPTS:
                        again.append(jobs[worker])
                    else:
                        yield index, BatchError(f"it ended {MAX_ATTEMPTS} workers")
        finally:
            self._abandon(busy)


def engine_for(address: str) -> Engine:
    """Return the engine for an address.

    Args:
        address: 'local' (a process for each core), 'local:N' or 'dask://HOST:PORT'.

    Raises:
        InputError: there is no such engine, or its address is wrong.
    """
    scheme, _, rest = address.partition(":")
    engine: Engine = find("edgewright.cluster", scheme, "ENGINE", "cluster", "--cluster local:N or dask://HOST:PORT")(
        rest
    )
    return engine


@dataclass(frozen=True)
class Progress:
    """Numbers of finished tasks, of batches whose worker died, and of workers; CPU seconds spent on the tasks."""

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


_SESSION: ContextVar[_Session | None] = ContextVar("session", default=None)


@contextmanager
def on_engine(engine: Engine, watch: Callable[[Progress], None] = lambda _: None) -> Iterator[Engine]:
    """Spread the tasks of a block over the workers of an engine.

    Args:
        engine: engine; it is started, and stopped after the block.
        watch: receives the progress after every result.
    """
    with engine:
        token = _SESSION.set(_Session(engine, watch))
        try:
            yield engine
        finally:
            _SESSION.reset(token)


def is_spread() -> bool:
    """Return whether tasks of this block go to workers."""
    return _SESSION.get() is not None


def outcomes(
    function: Callable[[S, T], R], shared: S, tasks: Iterable[T], *, chunk: int = 1
) -> Generator[R | BatchError, None, None]:
    """Yield the result of a function for each task, in the order of the tasks, as soon as it is known.

    Tasks compute with one BLAS thread each, here and on workers, so that sums round alike. Closing the generator ends
    the tasks of local processes and removes those of a cluster.

    Args:
        function: function of an installed module.
        shared: first argument of all calls; sent to each worker once. A worker reuses the object for its next call.
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
    given, sizes, first, waiting = iter(tasks), list[int](), 0, dict[int, list[Any]]()

    def batches() -> Iterator[bytes | None]:
        while True:
            while len(sizes) - first >= max(_MIN_AHEAD, _AHEAD * session.engine.workers):
                yield None
            batch = [task for _, task in zip(range(chunk), given, strict=False)]
            if not batch:
                return
            sizes.append(len(batch))
            yield packed(batch)

    with closing(session.engine.run(packed((function, shared)), batches())) as answers:
        for index, answer in answers:
            if isinstance(answer, BatchError):
                results, seconds = [answer] * sizes[index], 0.0
            else:
                results, seconds = pickle.loads(answer)  # noqa: S301 - of a worker that runs this code
                if isinstance(results, EdgewrightError):
                    raise results
            waiting[index] = results
            session.done, session.cpu_seconds = session.done + sizes[index], session.cpu_seconds + seconds
            session.watch(Progress(session.done, session.engine.retried, session.engine.workers, session.cpu_seconds))
            while first in waiting:
                first += 1
                yield from waiting.pop(first - 1)


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


@lru_cache(maxsize=1)
def _called(shared: bytes) -> tuple[Callable[[Any, Any], Any], Any]:
    called: tuple[Callable[[Any, Any], Any], Any] = pickle.loads(shared)  # noqa: S301 - of the client of this worker
    return called


def call(shared: bytes, batch: bytes) -> bytes | BatchError:
    """Call a function with each task of a batch.

    Returns:
        Pickle of the results, or of an `EdgewrightError`, and the CPU seconds. Another error is a `BatchError`.
    """
    began = time.process_time()
    try:
        function, argument = _called(shared)
        with threadpool_limits(1):
            results: object = [function(argument, task) for task in pickle.loads(batch)]  # noqa: S301 - of its client
    except EdgewrightError as error:
        results = error
    except Exception as error:  # noqa: BLE001 - the client receives the error, and the worker continues
        return BatchError(f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode())
    return pickle.dumps((results, time.process_time() - began))


class _Packer(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:  # noqa: ANN401 - as the base class
        if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in _KINDS:
            return NotImplemented
        if len(value) < _MIN_ROWS:
            return NotImplemented
        ends = np.flatnonzero(np.append(value[1:] != value[:-1], True))
        names, counts = value[ends], np.diff(ends, prepend=-1)
        return NotImplemented if names.nbytes + counts.nbytes > value.nbytes // 2 else (np.repeat, (names, counts))


def packed(value: object) -> bytes:
    """Return a pickle; `pickle.loads` gives the value back bit for bit."""
    stream = io.BytesIO()
    _Packer(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    return stream.getvalue()
