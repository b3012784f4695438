"""What every file of this folder offers: an engine does batches of work and gives what came of them as it comes.

Only bytes and the name of a function travel. The function stands in an installed module, takes the bytes that all
batches share and those of one batch, and gives bytes; nothing of ours is pickled.
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
    """A batch that could not be done: its function failed, or it took two workers with it.

    Attributes:
        reason: one sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Engine(Protocol):
    """Does batches of work.

    Attributes:
        workers: how many batches are done at the same time; it may grow and shrink while a cluster does.
    """

    workers: int

    def run(self, work: str, shared: bytes, batches: Iterable[bytes]) -> Iterator[tuple[int, bytes | BatchError]]:
        """Do every batch once, in any order.

        A worker that dies costs its batch only, which is tried once more elsewhere.

        Args:
            work: 'module:function', a `Work` of an installed module.
            shared: what all batches need; sent to each worker once.
            batches: taken as workers become free, never many ahead: a generator may decide on the next batch by
                what has come back.

        Yields:
            The place of a batch and what its function gave, or why there is nothing, in the order they finish.

        Raises:
            InputError: an unknown function, or a cluster that is gone.
            KeyboardInterrupt: after the workers have been ended.
        """
        ...

    def __enter__(self) -> Self:
        """Make the engine ready."""
        ...

    def __exit__(self, *_: object) -> None:
        """End its workers."""
        ...


# The one object `ENGINE` of an engine's file: of the part of its address after :// and the number of workers, or 0 for
# what is there.
Make = Callable[[str, int], Engine]


def engine_for(address: str = "local", workers: int = 0) -> Engine:
    """Return the engine of an address.

    Args:
        address: 'local', 'dask://HOST:PORT'.
        workers: at most so many; 0 takes what is there.

    Raises:
        InputError: an unknown scheme, or a negative number of workers.
    """
    if workers < 0:
        raise InputError("a number of workers of at least 0", str(workers), "--workers")
    scheme, _, rest = address.partition("://")
    make: Make = find(PACKAGE, scheme, "ENGINE", "engine", "--engine")
    return make(rest, workers)


def work_named(work: str) -> Work:
    """Return the function of 'module:function'.

    Raises:
        InputError: there is none.
    """
    module, _, name = work.partition(":")
    try:
        found: Work = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise InputError("the name of a function as module:function", repr(work), "the work of an engine") from None
    return found
