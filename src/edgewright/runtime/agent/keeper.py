"""Into the store, whatever its disk does: trouble is told and lived with, and what waits is tried again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.runtime.store import Store
from edgewright.schema.data import Floats
from edgewright.schema.device import Event
from edgewright.schema.errors import OutputError

_REMIND = 60.0  # seconds between two words about the same trouble


class Keeper:
    """The agent's way into its store.

    Args:
        store: open.
        say: takes a line for people.
    """

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self.store, self._say = store, say
        self.failed = 0
        self._said = -_REMIND

    def events(self, events: Sequence[Event]) -> None:
        """Stores events; alarms are durable when this returns, unless the disk is in trouble."""
        if events:
            self._try(lambda: self.store.append_events(events))

    def rows(self, stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats) -> None:
        """Stores raw rows."""
        self._try(lambda: self.store.append_rows(stream, names, times, values))

    def tick(self) -> None:
        """Commits what has waited long enough."""
        self._try(self.store.tick)

    def commit(self) -> None:
        """Makes everything durable now."""
        self._try(self.store.commit)

    def recovered(self) -> int:
        """So many tries failed before the one that has now worked; 0 where nothing was wrong or still is."""
        failed = self.failed
        if not failed:
            return 0
        self._try(self.store.commit)
        if self.failed > failed:
            return 0
        self.failed = 0
        return failed

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OutputError as error:
            self.failed += 1
            now = time.monotonic()
            if now - self._said >= _REMIND:
                self._said = now
                self._say(f"{error}. What was measured waits in memory and is tried again")


def resident() -> int:
    """Bytes of this process in memory; 0 where the kernel does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - read every minute
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def free_bytes(folder: str) -> int | None:
    """Bytes that are free for this user where a folder lies; None where nobody knows."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
