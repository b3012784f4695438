"""Ctrl-C that cannot get lost: it raises as usual, and is remembered until somebody has answered it.

An exception raised by a signal may be swallowed: a callback of JAX in the garbage collector prints and drops it, and
in the start of a C++ library it ends the process without any cleaning up.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edgewright.schema.errors import INTERRUPTED

MESSAGE = "interrupted; nothing half-written was left"


class _Interrupts:
    """Whether Ctrl-C was pressed, and whether libraries are being loaded."""

    def __init__(self) -> None:
        self.pressed, self.loading = False, False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remembers it and raises; while libraries load it ends the process, which has written nothing yet."""
        self.pressed = True
        if self.loading:
            os.write(2, f"edgewright: {MESSAGE}\n".encode())
            os._exit(INTERRUPTED)
        raise KeyboardInterrupt


_INTERRUPTS = _Interrupts()


@contextmanager
def heard() -> Iterator[None]:
    """Hears Ctrl-C until the block ends; where it is ignored (`nohup`, a job in the background) it stays ignored."""
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _INTERRUPTS.pressed = _INTERRUPTS.loading = False
    signal.signal(signal.SIGINT, _INTERRUPTS.on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def loading() -> Iterator[None]:
    """A block that loads libraries and neither prints nor writes: Ctrl-C ends the process at once."""
    _INTERRUPTS.loading = True
    try:
        yield
    finally:
        _INTERRUPTS.loading = False


def answer() -> None:
    """Ends what goes on when Ctrl-C was pressed and something swallowed it.

    Raises:
        KeyboardInterrupt: it was pressed.
    """
    if _INTERRUPTS.pressed:
        raise KeyboardInterrupt
