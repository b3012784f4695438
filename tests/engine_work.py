"""Work for engines under test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from edgewright.search.engines.contract import BatchError, Engine


def work(shared: bytes, batch: bytes) -> bytes:
    """Join both; a batch may ask for a failure, a death, once (a file is then left) or always, or never to end."""
    kind, _, path = batch.partition(b" ")
    if kind == b"fail":
        raise ValueError("no good")
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


def assert_a_death_costs_its_batch(engine: Engine, folder: Path) -> set[bytes]:
    """Check that a batch whose worker dies is tried once more, and return the processes that did the others."""
    batches = [b"a", b"die " + str(folder / "died").encode(), b"fail", b"die", b"b"]
    results = dict(engine.run("engine_work:work", b"x", batches))
    assert sorted(results) == [0, 1, 2, 3, 4]
    record = {index: answer for index, answer in results.items() if isinstance(answer, bytes)}
    assert {index: answer.rstrip(b"0123456789") for index, answer in record.items()} == {0: b"xa", 1: b"xdie", 4: b"xb"}
    assert isinstance(results[2], BatchError)
    assert results[2].reason == "ValueError: no good"
    assert isinstance(results[3], BatchError)
    assert "crashed two workers" in results[3].reason
    return {answer.lstrip(b"xabdie") for answer in record.values()}
