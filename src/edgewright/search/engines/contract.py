"""Interface of engines: an engine runs batches of work and yields their results as they finish.

Only bytes and the name of a function are sent to workers. The function is in an installed module, takes the shared
bytes and the bytes of one batch, and returns bytes. Edgewright pickles none of its own objects.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, Self

from edgewright.core.catalogue import find
from edgewright.schema.errors import InputError

Work = Callable[[bytes, bytes], bytes]
PACKAGE = "edgewright.search.engines"


class BatchError(Exception):
    """A batch failed: its function raised an error, or two workers died while they ran it.

    Attributes:
        reason: cause in one sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Engine(Protocol):
    """Runs batches of work.

    Attributes:
        workers: number of batches that run at the same time; it follows the size of a cluster.
    """

    workers: int

    def run(self, work: str, shared: bytes, batches: Iterable[bytes]) -> Iterator[tuple[int, bytes | BatchError]]:
        """Run every batch once, in any order.

        If a worker dies, its batch is retried once on another worker.

        Args:
            work: 'module:function' of a `Work` in an installed module.
            shared: bytes that all batches need; sent to each worker once.
            batches: batches, consumed as workers become free, so a generator can use the results so far to create
                the next batch.

        Yields:
            Index of a batch, and its result or the error, in the order in which they finish.

        Raises:
            InputError: the function is unknown.
            OutputError: a cluster is lost.
            KeyboardInterrupt: raised after all workers have stopped.
        """
        ...

    def __enter__(self) -> Self:
        """Start the engine."""
        ...

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""
        ...


# Type of `ENGINE` in every engine file: takes the part of the address after :// and the number of workers (0 for all
# available workers).
Make = Callable[[str, int], Engine]


def engine_for(address: str = "local", workers: int = 0) -> Engine:
    """Return the engine for an address.

    Args:
        address: 'local' or 'dask://HOST:PORT'.
        workers: maximum number of workers; 0 uses all available ones.

    Raises:
        InputError: the scheme is unknown, or the number of workers is negative.
    """
    if workers < 0:
        raise InputError("a number of workers of at least 0", str(workers), "--workers")
    scheme, _, rest = address.partition("://")
    make: Make = find(PACKAGE, scheme, "ENGINE", "engine", "--engine")
    return make(rest, workers)


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
