"""A signal to end is a wish: the loop hears it, stores everything and ends in order; a second Ctrl-C does not wait."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from edgewright.schema.errors import INTERRUPTED


class Ending:
    """Hears SIGTERM and SIGINT while the block lasts."""

    def __init__(self) -> None:
        self._asked, self._first = 0, 0
        self._before: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether the end was asked for."""
        return self._asked > 0

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
        """As before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1
        self._first = self._first or number
        if self._asked > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt
