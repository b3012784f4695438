"""Work for engines under test."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from edgewright.cluster.mapping import BatchError, outcomes
from edgewright.core.errors import UnknownNameError


def work(shared: bytes, batch: bytes) -> bytes:
    """Join both; a batch may ask for a failure, a death, once (a file is then left) or always, or never to end."""
    kind, _, path = batch.partition(b" ")
    if kind == b"fail":
        raise ValueError(f"no good {os.fsdecode(path)}".rstrip())
    if kind == b"wait":
        with open(path, "wb"):  # noqa: PTH123
            pass
        while True:
            signal.pause()
    if kind == b"die" and not os.path.exists(path):  # noqa: PTH110 - bytes
        if path:
            with open(path, "wb"):  # noqa: PTH123
                pass
        os.kill(os.getpid(), signal.SIGKILL)
    return shared + kind + str(os.getpid()).encode()


def add(shared: int, task: int) -> int:
    """Add both; 0 takes longest."""
    if task == 0:
        time.sleep(0.2)
    return shared + task


def slowly(shared: int, task: int) -> int:
    """Add both in half a second."""
    time.sleep(0.5)
    return shared + task


def threads(shared: None, task: int) -> int:
    """Return the most threads of a BLAS library."""
    return max(int(library["num_threads"]) for library in threadpool_info() if library["user_api"] == "blas")


def fail(shared: int, task: str) -> int:
    """Fail with an error of Python."""
    raise ValueError("no good")


def refuse(shared: str, task: str) -> str:
    """Refuse a task."""
    raise UnknownNameError("task", task, [shared])


def assert_a_death_costs_its_batch(folder: Path) -> set[bytes]:
    """Check that a batch whose worker dies is tried again, and return the processes that did the others."""
    batches = [b"a", b"die " + str(folder / "died").encode(), b"fail", b"die", b"b"]
    results = dict(enumerate(outcomes(work, b"x", batches)))
    assert sorted(results) == [0, 1, 2, 3, 4]
    record = {index: answer for index, answer in results.items() if isinstance(answer, bytes)}
    assert {index: answer.rstrip(b"0123456789") for index, answer in record.items()} == {0: b"xa", 1: b"xdie", 4: b"xb"}
    assert isinstance(results[2], BatchError)
    assert results[2].reason == "ValueError: no good"
    assert isinstance(results[3], BatchError)
    assert "ended 4 workers" in results[3].reason
    return {answer.lstrip(b"xabdie") for answer in record.values()}
