"""A worker process of the local engine: `python -m edgewright.cluster._worker`.

The worker reads messages from standard input (the name of the work, the shared bytes, then batches) and writes the
result of each batch. If the parent process ends, even by kill -9, the input ends and the worker exits.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import IO

from edgewright.cluster.contract import work_named

_LENGTH = struct.Struct("<Q")
DONE, FAILED = b"d", b"f"


def send(stream: IO[bytes], message: bytes) -> None:
    """Write a message with a length prefix of eight bytes."""
    stream.write(_LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message; None where the stream has ended, even within a message."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = stream.read(length)
    return message if len(message) == length else None


def main() -> None:
    """Run batches until the input ends."""
    # Ctrl-C reaches the whole process group; the parent handles it and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, sys.stdout = os.fdopen(os.dup(1), "wb"), sys.stderr
    work, shared = receive(sys.stdin.buffer), receive(sys.stdin.buffer)
    if work is None or shared is None:
        return
    function = work_named(work.decode())
    while (batch := receive(sys.stdin.buffer)) is not None:
        try:
            answer = DONE + function(shared, batch)
        except Exception as error:  # noqa: BLE001 - the parent receives the error, and the worker continues
            answer = FAILED + f"{type(error).__name__}: {error}".encode()
        try:
            send(answers, answer)
        except BrokenPipeError:
            os._exit(1)  # the parent is gone; a normal return would flush again and print a traceback


if __name__ == "__main__":
    main()
