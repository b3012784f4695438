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
    found = dict(engine.run("engine_work:work", b"x", batches))
    assert sorted(found) == [0, 1, 2, 3, 4]
    record = {place: answer for place, answer in found.items() if isinstance(answer, bytes)}
    assert {place: answer.rstrip(b"0123456789") for place, answer in record.items()} == {0: b"xa", 1: b"xdie", 4: b"xb"}
    assert isinstance(found[2], BatchError)
    assert found[2].reason == "ValueError: no good"
    assert isinstance(found[3], BatchError)
    assert "crashed two workers" in found[3].reason
    return {answer.lstrip(b"xabdie") for answer in record.values()}
