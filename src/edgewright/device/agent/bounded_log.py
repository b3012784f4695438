"""A log that cannot fill a disk, and that holds up nobody: whole lines within a budget, without blocking."""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class BoundedLog:
    """Passes whole lines on to a file descriptor and leaves lines out beyond a budget; it never blocks.

    Args:
        target: descriptor.
        clock: monotonic seconds.
        burst: bytes that may pass at once.
        rate: bytes a second that may pass in the long run.
    """

    LINE, WAITING, PIECE = 8192, 1 << 18, 4096  # a pipe with room takes 4096 bytes at once (PIPE_BUF)

    def __init__(
        self, target: int, clock: Callable[[], float] = time.monotonic, burst: int = 1 << 20, rate: int = 2048
    ) -> None:
        self._target, self._clock, self._burst, self._rate = target, clock, burst, rate
        self._budget, self._at = float(burst), clock()
        self._rest, self._waiting, self._left_out = b"", bytearray(), 0
        self.last: deque[str] = deque(maxlen=5)

    def take(self, data: bytes) -> None:
        """Take output; its last line may be unfinished."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self.LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._line(line)

    def pump(self, seconds: float = 0.0) -> None:
        """Pass on what the target takes; wait for it at most so many seconds."""
        until = self._clock() + seconds
        with selectors.DefaultSelector() as selector, suppress(OSError, ValueError):
            with suppress(PermissionError):  # a plain file is always ready
                selector.register(self._target, selectors.EVENT_WRITE)
            while self._waiting:
                if selector.get_map() and not selector.select(max(0.0, until - self._clock())):
                    return
                piece = self._waiting[: self.PIECE]
                # Whole lines at once: others write to the target, too.
                del self._waiting[: os.write(self._target, piece[: piece.rfind(b"\n") + 1] or piece)]

    def finish(self, seconds: float = 1.0) -> None:
        """Pass on an unfinished line and what waits; wait for the target at most so many seconds."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        self.pump(seconds)

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if text:
            self.last.append(text[:500])
        now = self._clock()
        self._budget = min(self._burst, self._budget + (now - self._at) * self._rate)
        self._at = now
        size = len(line) + 1
        if self._budget < size or len(self._waiting) + size > self.WAITING:
            self._left_out += size
            return
        if self._left_out:
            line = b"edgewright: %d bytes of the log were left out\n%b" % (self._left_out, line)
            self._left_out = 0
        self._budget -= size
        self._waiting += line + b"\n"
