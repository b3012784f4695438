"""Work for engines under test."""

from __future__ import annotations

import os
import signal


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
