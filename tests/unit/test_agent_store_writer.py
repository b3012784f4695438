"""What the agent's thread for the disk does when storing raises what no disk raises."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.device.agent.store_writer import StoreWriter
from edgewright.schema.device import Event


class Store:
    """A store that raises an error at one of its events, or as it looks what is due."""

    def __init__(self, ticks: int = 1 << 30) -> None:
        self.config = SimpleNamespace(at_once=("alarm",))
        self.stored: list[Any] = []
        self._ticks = ticks

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def append_events(self, events: list[Event]) -> None:
        if events[0].kind == "decision":
            raise ValueError("an event that cannot be encoded")
        self.stored += [event.kind for event in events]

    def remember(self, *remembered: Any) -> None:  # noqa: ANN401
        self.stored.append(remembered)

    def tick(self) -> None:
        self._ticks -= 1
        if self._ticks < 0:
            raise ValueError("a tick")

    def commit(self) -> None:
        pass


def write_events(writer: StoreWriter) -> None:
    until = time.monotonic() + 20.0
    while time.monotonic() < until:
        writer.put([], remembered=("later",))  # type: ignore[arg-type]
        time.sleep(0.3)


def test_no_place_is_stored_behind_events_that_could_not_be() -> None:
    store = Store()
    writer = StoreWriter(store, print, lambda events: None, threaded=True)  # type: ignore[arg-type]
    writer.put([Event(kind="alarm")], remembered=("before",))  # type: ignore[arg-type]
    writer.put([Event(kind="decision")], remembered=("with it",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="encoded"):
        write_events(writer)
    writer.close()
    assert store.stored == ["alarm", ("before",)]


def test_an_error_as_it_looks_what_is_due_reaches_the_loop() -> None:
    before = threading.active_count()
    writer = StoreWriter(Store(0), print, lambda events: None, threaded=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a tick"):
        write_events(writer)
    writer.close()
    assert threading.active_count() == before


def test_what_cannot_be_told_is_stored_all_the_same() -> None:
    def broken(events: object) -> None:
        raise BrokenPipeError

    store = Store()
    writer = StoreWriter(store, print, broken, threaded=True)  # type: ignore[arg-type]
    writer.put([Event(kind="alarm")])
    writer.put([Event(kind="alarm")], remembered=("behind",))  # type: ignore[arg-type]
    writer.close()
    assert store.stored == ["alarm", "alarm", ("behind",)]
