"""Processes that begin warm: one that dies where a test says, and one that ends with all that it started."""

from __future__ import annotations

import multiprocessing
import os
import traceback
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def fork() -> int:
    """As `os.fork`; without the warning of libraries with threads of their own, none of which the child calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return os.fork()


def in_fork(act: Callable[[], T]) -> T:
    """Return what a function gives in a process of its own, which ends with all that the function started.

    Raises:
        RuntimeError: it failed there.
    """
    reader, writer = multiprocessing.Pipe(duplex=False)
    child = fork()
    if child == 0:
        try:
            try:
                answer: tuple[T | None, str] = (act(), "")
            except BaseException:  # noqa: BLE001 - raised again by the other process
                answer = None, traceback.format_exc()
            writer.send(answer)
        finally:
            os._exit(0)
    writer.close()
    result, problem = reader.recv()
    os.waitpid(child, 0)
    reader.close()
    if problem:
        raise RuntimeError(problem)
    value: T = result
    return value
