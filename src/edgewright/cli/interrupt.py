"""Ctrl-C that cannot get lost: it raises as usual, and is remembered until somebody has answered it.

An exception raised by a signal may be swallowed: Python prints and drops what is raised in the garbage collector, where
JAX has a callback, and in the start of a C++ library it ends the process without any cleaning up. What the garbage
collector drops is raised once more behind it, without a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edgewright.schema.errors import INTERRUPTED

AGAIN_SECONDS = 0.02
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
    before = sys.unraisablehook

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, KeyboardInterrupt):
            _raise_again()
        else:
            before(what)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = before
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _raise_again() -> None:
    """From another thread and a moment later: by then the garbage collector has let go of the main one."""
    again = threading.Timer(AGAIN_SECONDS, _press_again)
    again.daemon = True
    again.start()


def _press_again() -> None:
    if signal.getsignal(signal.SIGINT) == _INTERRUPTS.on_signal:
        os.kill(os.getpid(), signal.SIGINT)


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
