"""Writes into the store while its disk may fail: a failure is reported, and what waits is tried again."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgewright.device.agent.checkpoint import Remembered
from edgewright.device.store.store import Store
from edgewright.schema.data import Floats
from edgewright.schema.device import Event
from edgewright.schema.errors import OutputError

_REMIND = 60.0  # seconds between two words about the same trouble
_WAITING = 4096  # pieces of work that may wait for the disk; beyond them the loop waits too
_TICK = 0.2


RawRows = tuple[str, Sequence[str], NDArray[np.float64], Floats]
"""A stream, names of columns, times of shape (rows,) and values of shape (rows, columns)."""


class StoreWriter:
    """The agent's way into its store.

    Args:
        store: open.
        say: takes a line for people.
        publish: takes events; those that the store makes durable at once (alarms) after they are, the others at once.
        threaded: write in a thread of its own, so that no decision waits for a disk to flush. Without it everything is
            stored before the call returns.
    """

    def __init__(
        self, store: Store, say: Callable[[str], None], publish: Callable[[Sequence[Event]], None], *, threaded: bool
    ) -> None:
        self.store, self._say, self._publish = store, say, publish
        self.failed = 0
        self._reminded = -_REMIND
        # Raised by telling or storing, and by storing: a place behind what was not stored must not become durable.
        self._broken: BaseException | None = None
        self._unstored: BaseException | None = None
        self._work: queue.Queue[Callable[[], object] | None] | None = queue.Queue(_WAITING) if threaded else None
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        if threaded:
            self._thread.start()

    def publish_calm(self, events: Sequence[Event]) -> bool:
        """Tell events that need not be durable before; return whether there are others.

        Raises what telling raised before.
        """
        if self._broken is not None:
            raise self._broken
        urgent = [event for event in events if event.kind in self.store.config.at_once]
        if self._work is not None and (calm := [event for event in events if event not in urgent]):
            self._publish(calm)
        return bool(urgent)

    def put(self, events: Sequence[Event], rows: Sequence[RawRows] = (), remembered: Remembered | None = None) -> None:
        """Store events, raw rows and what goes on at the next start together, and tell the events that waited for it.

        Args:
            events: that went through `publish_calm`.
            rows: in order.
            remembered: of the streams after these events and rows; None where nothing is.

        Raises what storing raised before, other than errors of the disk.
        """
        if self._unstored is not None:
            raise self._unstored
        if not events and not rows and remembered is None:
            return
        work = partial(self._append, events, rows, remembered)
        if self._work is None:
            self._try(work)
            self._publish(events)
            return
        self._work.put(work)
        if urgent := [event for event in events if event.kind in self.store.config.at_once]:
            self._work.put(partial(self._publish, urgent))

    def now(self, remembered: Remembered) -> None:
        """Store what goes on at the next start before the call returns."""
        self._try(partial(self._append, (), (), remembered))

    def tick(self) -> None:
        """Commit what has waited long enough."""
        if self._work is None:
            self._try(self._tick)

    def close(self) -> None:
        """Make everything durable; what is stored later is so before the call returns."""
        if self._work is not None:
            self._work.put(None)
            self._thread.join()
            self._work = None
        self._try(self.store.commit)

    def recovered(self) -> int:
        """Return how many attempts failed before one that has worked now; 0 without failures, or while they go on."""
        failed = self.failed
        if not failed:
            return 0
        self._try(self.store.commit)
        if self.failed > failed:
            return 0
        self.failed = 0
        return failed

    def _append(self, events: Sequence[Event], rows: Sequence[RawRows], remembered: Remembered | None) -> None:
        with self._storing(), self.store.together():
            for some in rows:
                self.store.append_rows(*some)
            if events:
                self.store.append_events(events)
            if remembered is not None:
                self.store.remember(*remembered)

    def _tick(self) -> None:
        with self._storing():
            self.store.tick()

    @contextmanager
    def _storing(self) -> Iterator[None]:
        if self._unstored is not None:
            raise self._unstored
        try:
            yield
        except OutputError:
            raise
        except BaseException as error:
            self._unstored = error
            raise

    def _run(self) -> None:
        waiting = self._work
        while waiting is not None:
            try:
                work = waiting.get(timeout=_TICK)
            except queue.Empty:
                work = self._tick
            if work is None:
                return
            try:
                self._try(work)
            except BaseException as error:  # noqa: BLE001 - raised in the loop; what else waits to be told is told
                self._broken = self._broken or error

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OutputError as error:
            self.failed += 1
            now = time.monotonic()
            if now - self._reminded >= _REMIND:
                self._reminded = now
                self._say(f"{error}. Measurements wait in memory and are retried")
