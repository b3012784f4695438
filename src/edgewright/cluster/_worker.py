"""A worker process of the local engine: `python -m edgewright.cluster._worker`.

The worker reads messages from standard input, each with its kind in the first byte: the name of the work and the shared
bytes, which stay until others come, and batches. It writes the result of each batch. If the parent process ends, even
by kill -9, the input ends and the worker exits.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import IO

from edgewright.cluster.contract import work_named

_LENGTH = struct.Struct("<Q")
WORK, SHARED, BATCH = b"w", b"s", b"b"
DONE, FAILED = b"d", b"f"


def send(stream: IO[bytes], *parts: bytes) -> None:
    """Write a message of some parts with a length prefix of eight bytes."""
    stream.write(_LENGTH.pack(sum(map(len, parts))))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message; None where the stream has ended, even within a message."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = stream.read(length)
    return message if len(message) == length else None


def failure(error: Exception) -> bytes:
    """Return the answer of a batch that failed."""
    return FAILED + f"{type(error).__name__}: {error}".encode(errors="backslashreplace")  # a name of a file may be odd


def main() -> None:
    """Run batches until the input ends."""
    # Ctrl-C reaches the whole process group; the parent handles it and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, sys.stdout = os.fdopen(os.dup(1), "wb"), sys.stderr
    work, shared = "", b""
    while (message := receive(sys.stdin.buffer)) is not None:
        kind, content = message[:1], message[1:]
        if kind == WORK:
            work = content.decode()
            continue
        if kind == SHARED:
            shared = content
            continue
        try:
            answer = DONE + work_named(work)(shared, content)
        except Exception as error:  # noqa: BLE001 - the parent receives the error, and the worker continues
            answer = failure(error)
        try:
            send(answers, answer)
        except BrokenPipeError:
            os._exit(1)  # the parent is gone; a normal return would flush again and print a traceback


if __name__ == "__main__":
    main()
