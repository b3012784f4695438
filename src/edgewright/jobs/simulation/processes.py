"""Episodes in several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_processes(function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """Yield what a function of a module makes of each task, in order, on all processors.

    Each process begins anew: a copy of this one would inherit the locks of JAX's threads.
    """
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, len(tasks))
    if workers <= 1:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(function, tasks, chunksize=max(1, min(10, len(tasks) // (4 * workers))))
