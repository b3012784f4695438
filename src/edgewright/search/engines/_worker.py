"""A worker process of the local engine: `python -m edgewright.search.engines._worker`.

It reads messages from its standard input (the work's name, the shared bytes, then batches) and writes what came of
each batch. When its parent is gone, even by kill -9, the input ends and so does the worker.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import IO

from edgewright.search.engines.contract import work_named

_LENGTH = struct.Struct("<Q")
DONE, FAILED = b"d", b"f"


def send(stream: IO[bytes], message: bytes) -> None:
    """Write a message: its length in eight bytes, then itself."""
    stream.write(_LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message; None where the stream has ended, in the middle of one too."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = stream.read(length)
    return message if len(message) == length else None


def main() -> None:
    """Do batches until the input ends."""
    # Ctrl-C reaches the whole group of processes: the parent answers it and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, sys.stdout = os.fdopen(os.dup(1), "wb"), sys.stderr
    work, shared = receive(sys.stdin.buffer), receive(sys.stdin.buffer)
    if work is None or shared is None:
        return
    function = work_named(work.decode())
    while (batch := receive(sys.stdin.buffer)) is not None:
        try:
            answer = DONE + function(shared, batch)
        except Exception as error:  # noqa: BLE001 - a batch that fails is told to the parent, the worker goes on
            answer = FAILED + f"{type(error).__name__}: {error}".encode()
        try:
            send(answers, answer)
        except BrokenPipeError:
            os._exit(1)  # nobody is left to tell; leaving by return would flush again and print a traceback


if __name__ == "__main__":
    main()
