"""The outbox on its way, in a thread of its own: a receiver that is slow or gone delays no decision."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from edgewright.device.agent.settings import Way
from edgewright.device.sinks import Patient, Sink
from edgewright.device.store import Store
from edgewright.device.store.sender import deliver
from edgewright.schema.device import Event
from edgewright.schema.errors import EdgewrightError

_LOOK = 1.0  # seconds between two looks at an outbox that was empty
_REMIND = 600.0


class Delivery:
    """Sends what waits, through the first way that works.

    Args:
        store: whose outbox.
        ways: sinks in order of preference.
        say: takes a line for people.

    Raises:
        InputError: a way that will never work.
    """

    def __init__(self, store: Store, ways: Sequence[Way], say: Callable[[str], None]) -> None:
        self._store, self._say = store, say
        self._sinks: list[tuple[str, Sink]] = [(way.kind, way.open()) for way in ways]
        self._at = 0
        self._stop = threading.Event()
        self._said = -_REMIND
        self.sent = 0
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Begins to send; nothing happens where there is no sink."""
        if self._sinks:
            self._thread.start()

    def before(self, tell: Callable[[Sequence[Event]], None]) -> Callable[[Sequence[Event]], None]:
        """As `tell`, which is called when events are durable; an alarm is not held up by what is on its way."""

        def told(events: Sequence[Event]) -> None:
            if any(event.kind == "alarm" for event in events):
                for _, sink in self._sinks:
                    if isinstance(sink, Patient):
                        sink.hurry()
            tell(events)

        return told

    def close(self, drain: float) -> None:
        """Ends; what waits is sent for at most so many seconds, the rest stays in the outbox."""
        if not self._sinks:
            return
        self._stop.set()
        self._thread.join(drain + 30.0)
        until = time.monotonic() + drain
        while not self._thread.is_alive() and time.monotonic() < until:
            if not self._once():
                break
        for _, sink in self._sinks:
            sink.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._once():
                self._stop.wait(min(60.0, max(_LOOK, self._store.outbox.rest())))

    def _once(self) -> bool:
        """One turn; whether more may go at once."""
        kind, sink = self._sinks[self._at]
        try:
            done = deliver(self._store, sink)
        except EdgewrightError as error:
            self._tell(f"{error}. What was sent may be sent twice")
            return False
        self.sent += done.arrived
        if done.problem:
            self._at = (self._at + 1) % len(self._sinks)
            self._tell(f"sink {kind}: {done.problem}. What waits stays in the outbox and is sent later")
        return done.arrived > 0 and not done.problem

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if now - self._said >= _REMIND:
            self._said = now
            self._say(text)
