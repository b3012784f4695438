"""Native libraries that tell on stderr what nobody asked: their notes are held back, everything else goes through."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

_STDERR = 2
_NOTE = b"INFO:"
# Descriptor 2 belongs to the whole process: one thread at a time bends it.
_lock = threading.Lock()


@contextmanager
def without_notes() -> Iterator[list[str]]:
    """Holds back lines on descriptor 2 that begin with 'INFO:'; all other bytes are written there afterwards.

    Nothing is lost: what other threads write in the meantime is among it, and comes a little later. Without a
    descriptor 2, or where no temporary file can be made, nothing happens.

    Yields:
        A list that has the notes once the block has ended.
    """
    notes: list[str] = []
    with _lock, ExitStack() as stack:
        try:
            kept = os.dup(_STDERR)
            stack.callback(os.close, kept)
            held = stack.enter_context(tempfile.TemporaryFile())
        except OSError:
            kept = -1
        if kept >= 0:
            _flush()
            os.dup2(held.fileno(), _STDERR)
            stack.callback(_back, kept, held, notes)
        yield notes


def _back(kept: int, held: IO[bytes], notes: list[str]) -> None:
    """Gives descriptor 2 back, and writes there what was held but is no note."""
    _flush()
    os.dup2(kept, _STDERR)
    held.seek(0)
    lines = held.read().splitlines(keepends=True)
    notes += [line.decode(errors="replace").strip() for line in lines if line.startswith(_NOTE)]
    rest = b"".join(line for line in lines if not line.startswith(_NOTE))
    while rest:
        rest = rest[os.write(_STDERR, rest) :]


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
