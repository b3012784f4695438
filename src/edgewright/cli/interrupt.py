"""Ctrl-C that cannot get lost: it raises as usual, and is remembered until somebody has answered it.

A termination signal (`kill`, a scheduler, a machine that shuts down) is heard as Ctrl-C is, and leaves as little.

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
from typing import Any

from edgewright.cli.laps import IMPORT, lasting
from edgewright.core.errors import INTERRUPTED, TERMINATED

AGAIN_SECONDS = 0.02
MESSAGE = "interrupted; no partial files were left"


class _Interrupts:
    """Which signal asked for the end first, 0 for none, and whether libraries are being loaded."""

    def __init__(self) -> None:
        self.number, self.loading = 0, False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remembers it and raises; while libraries load it ends the process, which has written nothing yet."""
        self.number = self.number or number
        if self.loading:
            os.write(2, f"edgewright: {MESSAGE}\n".encode())
            os._exit(ended_by(INTERRUPTED))
        raise KeyboardInterrupt


_INTERRUPTS = _Interrupts()


def ended_by(code: int) -> int:
    """Return an exit code; in place of that of Ctrl-C the one of a termination signal, where that was what came."""
    return TERMINATED if code == INTERRUPTED and _INTERRUPTS.number == signal.SIGTERM else code


@contextmanager
def signals_end_work() -> Iterator[None]:
    """Hear both until the block ends; where one is ignored (`nohup`, a job in the background) it stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _INTERRUPTS.number, _INTERRUPTS.loading = 0, False
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    mine = {number: handler for number, handler in usual.items() if signal.getsignal(number) is handler}
    for number in mine:
        signal.signal(number, _INTERRUPTS.on_signal)
    before = sys.unraisablehook

    def dropped(unraisable: sys.UnraisableHookArgs) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            _raise_again()
        else:
            before(unraisable)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = before
        for number, handler in mine.items():
            signal.signal(number, handler)


def _raise_again() -> None:
    """From another thread and a moment later: by then the garbage collector has let go of the main one."""
    again = threading.Timer(AGAIN_SECONDS, _press_again)
    again.daemon = True
    again.start()


def _press_again() -> None:
    number = _INTERRUPTS.number or signal.SIGINT
    if signal.getsignal(number) == _INTERRUPTS.on_signal:
        os.kill(os.getpid(), number)


@contextmanager
def loading() -> Iterator[None]:
    """Provide a block that loads libraries and neither prints nor writes: Ctrl-C ends the process at once."""
    _INTERRUPTS.loading = True
    try:
        with lasting(IMPORT):
            yield
    finally:
        _INTERRUPTS.loading = False


def answer() -> None:
    """End what goes on when Ctrl-C was pressed and something swallowed it.

    Raises:
        KeyboardInterrupt: it was pressed.
    """
    if _INTERRUPTS.number:
        raise KeyboardInterrupt


def finish_interrupted() -> None:
    """Forget Ctrl-C where it ended a part of the work and the rest goes on; a termination signal ends all of it.

    Raises:
        KeyboardInterrupt: it was a termination signal.
    """
    if _INTERRUPTS.number == signal.SIGTERM:
        raise KeyboardInterrupt
    _INTERRUPTS.number = 0


class Ending:
    """Hears SIGTERM and SIGINT while the block lasts."""

    def __init__(self) -> None:
        self._count, self._first = 0, 0
        self._before: dict[int, Any] = {}

    def is_requested(self) -> bool:
        """Return whether the end was asked for."""
        return self._count > 0

    def code(self) -> int:
        """Exit code of what ended in order: 130 where Ctrl-C asked for it, 0 for a signal to end or for none."""
        return INTERRUPTED if self._first == signal.SIGINT else 0

    def __enter__(self) -> Ending:
        """Itself, listening."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        self._first = self._first or number
        if self._count > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt
