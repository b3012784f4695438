"""Interface of engines: an engine runs batches of work and yields their results as they finish.

Only bytes and the name of a function are sent to workers. The function is in an installed module, takes the shared
bytes and the bytes of one batch, and returns bytes. `mapping` makes these bytes of functions and tasks.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from edgewright.core.catalogue import find
from edgewright.schema.errors import InputError, OutputError

Work = Callable[[bytes, bytes], bytes]
PACKAGE = "edgewright.cluster"
# A batch that ends so many workers is at fault itself; a machine that is taken away ends one of them.
MAX_ATTEMPTS = 4


class BatchError(Exception):
    """A batch failed: its function raised an error, or `MAX_ATTEMPTS` workers died while they ran it.

    Attributes:
        reason: cause in one sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ClusterLostError(OutputError):
    """A cluster is lost in the middle of its work."""


@dataclass(eq=False)
class Job:
    """A batch: its index, its bytes, the number of workers that began it, and whether it has a result."""

    index: int
    batch: bytes
    attempts: int = 0
    finished: bool = False


class Jobs:
    """Batches of one call of `Engine.run` that no worker has: those to retry first, then the next ones.

    Args:
        batches: as of `Engine.run`.
    """

    def __init__(self, batches: Iterable[bytes | None]) -> None:
        self._batches, self._again, self._count = iter(batches), deque[Job](), 0

    def next(self) -> Job | None:
        """Return a batch to begin; None where none is left, or none may begin yet."""
        if self._again:
            job = self._again.popleft()
        else:
            batch = next(self._batches, None)
            if batch is None:
                return None
            job = Job(self._count, batch)
            self._count += 1
        job.attempts += 1
        return job

    def has_next(self) -> bool:
        """Return whether a batch may begin."""
        job = self.next()
        if job is not None:
            self.put_back(job)
        return job is not None

    def put_back(self, job: Job) -> None:
        """Queue a batch that did not begin on its worker."""
        job.attempts -= 1
        self._again.appendleft(job)

    def retry(self, job: Job, detail: str = "") -> BatchError | None:
        """Queue a batch whose worker died and return None; return an error where it ended `MAX_ATTEMPTS` workers."""
        if job.attempts >= MAX_ATTEMPTS:
            return BatchError(f"it ended {MAX_ATTEMPTS} workers{detail}")
        self._again.append(job)
        return None


class Engine(Protocol):
    """Runs batches of work.

    Attributes:
        workers: number of batches that run at the same time; it follows the size of a cluster.
        retried: number of batches whose worker died.
        title: what a person calls it, such as 'dask://10.0.0.7:8786'.
    """

    workers: int
    retried: int
    title: str

    def run(
        self, work: str, shared: bytes, batches: Iterable[bytes | None]
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        """Run every batch, in any order, and yield one result for each.

        If a worker dies, its batch is retried on another worker.

        Args:
            work: 'module:function' of a `Work` in an installed module.
            shared: bytes that all batches need; sent to each worker once.
            batches: batches, consumed as workers become free, so a generator can use the results so far to create
                the next batch. None means that no batch may begin before the next result.

        Yields:
            Index of a batch, and its result or the error, in the order in which they finish.

        Raises:
            InputError: the function is unknown.
            ClusterLostError: a cluster is lost.
            KeyboardInterrupt: raised after all workers have stopped.
        """
        ...

    def __enter__(self) -> Self:
        """Start the engine."""
        ...

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""
        ...


# Type of `ENGINE` in every engine file: takes the part of the address after the name of the file and a colon.
Make = Callable[[str], Engine]


def engine_for(address: str = "local:1") -> Engine:
    """Return the engine for an address.

    Args:
        address: 'local' (a process for each core), 'local:N' or 'dask://HOST:PORT'.

    Raises:
        InputError: there is no such engine, or its address is wrong.
    """
    scheme, _, rest = address.partition(":")
    make: Make = find(PACKAGE, scheme, "ENGINE", "cluster", "--cluster local:N or dask://HOST:PORT")
    return make(rest)


def work_named(work: str) -> Work:
    """Import the function named by 'module:function'.

    Raises:
        InputError: the function does not exist.
    """
    module, _, name = work.partition(":")
    try:
        function: Work = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise InputError("the name of a function as module:function", repr(work), "the work of an engine") from None
    return function
