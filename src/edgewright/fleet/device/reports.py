"""Sends reports: schedules them, fills them in, and processes the acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.ports import Control
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.layout import REPORT_EVERY
from edgewright.fleet.protocol.ports import Chance, Clock, NotTaken, Unreachable
from edgewright.schema.fleet_report import DiagnosisRequest, Report

Position = tuple[int, int]
"""(boot, sequence) of an item."""


class _Named(msgspec.Struct, frozen=True):
    boot: int
    sequence: int


class PoisonIsolation:
    """Finds an item because of which reports are rejected, by bisection.

    After a report is rejected for its content, the next one carries the most urgent half of its items. If a report
    with a single item is rejected, that item is only a suspect and the next report carries no items: if that report is
    accepted, the item is set aside; if it is rejected too, the items are not the cause, and none is set aside.

    Attributes:
        suspect: the item that was rejected alone, and why; None for none.
    """

    def __init__(self) -> None:
        self._limit: int | None = None
        self._whole = True
        self.suspect: tuple[Position, str] | None = None

    @property
    def active(self) -> bool:
        """Whether waiting items were held back from the last report."""
        return self._limit is not None or self.suspect is not None

    def choose(self, offered: Sequence[msgspec.Raw]) -> tuple[msgspec.Raw, ...]:
        """Return the items of the next report from the waiting ones, which are sorted by urgency."""
        if self.suspect is not None:
            return ()
        chosen = tuple(offered if self._limit is None else offered[: self._limit])
        self._whole = len(chosen) == len(offered)
        return chosen

    def refused(self, items: Sequence[msgspec.Raw], why: str) -> bool:
        """Record a rejected report with these items; return whether to try again with fewer."""
        if not items:
            self._limit, self.suspect = None, None
            return False
        if len(items) == 1:
            seen = msgspec.json.decode(items[0], type=_Named)
            self.suspect = ((seen.boot, seen.sequence), why)
        else:
            self._limit = len(items) // 2
        return True

    def accepted(self, items: Sequence[msgspec.Raw]) -> tuple[Position, str] | None:
        """Record an accepted report; return the item to set aside and why, or None."""
        isolated, self.suspect = self.suspect, None
        if isolated is not None or self._whole:
            self._limit = None
        elif self._limit is not None:
            self._limit = 2 * len(items)
        return isolated


_SLOWEST = REPORT_EVERY
"""Longest pause in seconds after refusals; without any answer `backoff.BACK` applies."""
_PAUSE_S = 5.0
"""Shortest time in seconds between two reports; for a backlog the control plane sets the interval."""
_MIN_PAUSE_S, _MOST_APART = 0.25, 60.0
_SOON = 30.0
"""First pause in seconds after a failure, which then doubles: one lost packet must not delay an outcome for long."""
_OUTCOMES = 200


class Outbox:
    """Waiting items of the store. This base class, for a device without a store, is always empty."""

    def urgent(self) -> bool:
        """Return whether an item waits that must be reported immediately."""
        return False

    def backlog(self) -> bool:
        """Return whether more items wait than fit into one report, as after an outage."""
        return False

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return the waiting items as the store sends them; they stay until they are settled."""
        return ()

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        """Record the items (boot, sequence) that are durable on the server; other offered items keep waiting."""

    def refuse(self, position: tuple[int, int], why: str) -> None:
        """Record that the server permanently rejects the item (boot, sequence), and why; its owner sets it aside."""


class ReportSender:
    """Sends reports to the control plane (`fleet.device.ports.Reporter`).

    An unacknowledged report is sent again byte for byte: the server may already have it, and a different report with
    the same sequence number would look like a second device with this key. A report that was rejected for its content
    is dropped, and its content is sent under the next number, see `PoisonIsolation`.

    Args:
        state: stores sequence number, nonce and outcomes.
        control: the control plane.
        clock, chance: ports of the device.
        outbox: waiting items of the store.
        every: seconds between two reports.
        diagnose: answers what an operator asks for, with the facts of the report before.
    """

    def __init__(
        self, state: State, control: Control, clock: Clock, chance: Chance, *, outbox: Outbox | None = None,
        every: float = REPORT_EVERY,
        diagnose: Callable[[DiagnosisRequest, Report], None] = lambda request, facts: None,
    ) -> None:  # fmt: skip
        self._state, self._control, self._clock = state, control, clock
        self._outbox = outbox or Outbox()
        self._pace = Pace(chance, every, _SLOWEST, _SOON)
        self._diagnose = diagnose
        self._pending: Report | None = None
        self._owed = False
        self._sieve = PoisonIsolation()
        self._last, self._more = -_PAUSE_S, _PAUSE_S

    def send(self, facts: Report, urgent: bool = False, contact: bool = False) -> float:
        """Send a report if one is due."""
        now = self._clock.monotonic()
        self._owed = self._owed or urgent
        if contact:
            self._pace.answered(now)
        due = self._due()
        if now < due or not self._state.link.device:
            return max(_MIN_PAUSE_S, due - now)
        anew = self._pending is None
        report = self._pending or self._report(facts)
        self._pending, self._last = report, now
        try:
            answer = self._control.report(report)
        except NotTaken as error:
            self._pending = None
            self._owed = self._sieve.refused(report.items, str(error))
            if not self._owed:
                self._pace.away(now, error.wait)
            return max(_MIN_PAUSE_S, self._due() - now)
        except Unreachable as error:
            self._pace.away(now, error.wait)
            return self._pace.due - now
        except Exception:
            # The device was refused, or the disk is full: the next report contains the state at its time.
            self._pending = None
            self._pace.bad(now)
            raise
        self._state.acknowledge(answer)
        self._pending = None
        isolated = self._sieve.accepted(report.items)
        if isolated is None:
            self._outbox.settle(answer.durable)
        else:
            self._outbox.refuse(*isolated)
        self._owed = not anew or self._sieve.active
        self._more = min(max(answer.more, 0.0), _MOST_APART)
        self._pace.good(now, max(answer.wait, 1.0) if answer.wait else None)
        if answer.diagnose is not msgspec.UNSET:
            self._diagnose(answer.diagnose, facts)
        return max(_MIN_PAUSE_S, self._due() - now)

    def _due(self) -> float:
        """Return the monotonic seconds of the next report."""
        if self._pace.failures:
            return self._pace.due  # urgency does not shorten the pause while nobody answers
        due = self._pace.due
        if self._owed or self._outbox.urgent():
            due = min(due, self._last + _PAUSE_S)
        if self._outbox.backlog():
            due = min(due, self._last + self._more)
        return due

    def _report(self, facts: Report) -> Report:
        items = self._sieve.choose(self._outbox.offered())
        return msgspec.structs.replace(
            facts, nonce=self._state.link.nonce, sequence=self._state.next_sequence(), clock=self._clock.wall(),
            outcomes=self._state.outcomes[:_OUTCOMES], items=items, why=facts.why[:500],
        )  # fmt: skip
