"""Into the store, whatever its disk does: trouble is told and lived with, and what waits is tried again."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgewright.device.store.store import Store
from edgewright.schema.data import Floats
from edgewright.schema.device import Event
from edgewright.schema.errors import OutputError

_REMIND = 60.0  # seconds between two words about the same trouble
_WAITING = 4096  # pieces of work that may wait for the disk; beyond them the loop waits too
_TICK = 0.2


class StoreWriter:
    """The agent's way into its store.

    Args:
        store: open.
        say: takes a line for people.
        tell: takes events; those that the store makes durable at once (alarms) after they are, the others at once.
        apart: write in a thread of its own, so that no decision waits for a disk to flush. Without it everything is
            stored before the call returns.
    """

    def __init__(
        self, store: Store, say: Callable[[str], None], tell: Callable[[Sequence[Event]], None], *, apart: bool
    ) -> None:
        self.store, self._say, self._tell = store, say, tell
        self.failed = 0
        self._said = -_REMIND
        self._broken: BaseException | None = None
        self._work: queue.Queue[Callable[[], object] | None] | None = queue.Queue(_WAITING) if apart else None
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        if apart:
            self._thread.start()

    def events(self, events: Sequence[Event]) -> None:
        """Store events and tell them; raise what telling raised before."""
        if self._broken is not None:
            raise self._broken
        if not events:
            return
        if self._work is None:
            self._try(partial(self.store.append_events, events))
            self._tell(events)
            return
        urgent = [event for event in events if event.kind in self.store.config.at_once]
        calm = events if not urgent else [event for event in events if event not in urgent]
        if calm:
            self._tell(calm)
        self._do(partial(self.store.append_events, events))
        if urgent:
            self._do(partial(self._tell, urgent))

    def rows(self, stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats) -> None:
        """Store raw rows."""
        self._do(partial(self.store.append_rows, stream, names, times, values))

    def file(self, write: Callable[[], object]) -> None:
        """Write something beside the store, in its turn."""
        self._do(write)

    def tick(self) -> None:
        """Commit what has waited long enough."""
        if self._work is None:
            self._try(self.store.tick)

    def close(self) -> None:
        """Make everything durable; what is stored later is so before the call returns."""
        if self._work is not None:
            self._work.put(None)
            self._thread.join()
            self._work = None
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

    def _do(self, work: Callable[[], object]) -> None:
        if self._work is None:
            self._try(work)
        else:
            self._work.put(work)

    def _run(self) -> None:
        waiting = self._work
        while waiting is not None:
            try:
                work = waiting.get(timeout=_TICK)
            except queue.Empty:
                self._try(self.store.tick)
                continue
            if work is None:
                return
            try:
                self._try(work)
            except BaseException as error:  # noqa: BLE001 - raised in the loop; what else waits is stored all the same
                self._broken = self._broken or error

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OutputError as error:
            self.failed += 1
            now = time.monotonic()
            if now - self._said >= _REMIND:
                self._said = now
                self._say(f"{error}. Measurements wait in memory and are retried")
