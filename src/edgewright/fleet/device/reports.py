"""Reports: when, what they say, and what is done with the acknowledgement."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.ports import Control
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.layout import REPORT_EVERY
from edgewright.fleet.protocol.ports import Chance, Clock, NotTaken, Unreachable
from edgewright.schema.fleet_report import Report

Place = tuple[int, int]
"""(boot, sequence) of an item."""


class _Named(msgspec.Struct, frozen=True):
    boot: int
    sequence: int


class PoisonIsolation:
    """Chooses how many of the items that wait go into the next report.

    A report that is refused for what it says is followed by one with half of its items, the most urgent half. An item
    that is refused alone is suspected only: the next report goes without any. Where that one is taken, the item is to
    blame; where it is refused too, the items are not, and none is set aside.

    Attributes:
        suspect: the item that was refused alone, and why; None for none.
    """

    def __init__(self) -> None:
        self._most: int | None = None
        self._whole = True
        self.suspect: tuple[Place, str] | None = None

    @property
    def active(self) -> bool:
        """Whether something of what waits was held back from the last report."""
        return self._most is not None or self.suspect is not None

    def choose(self, offered: Sequence[msgspec.Raw]) -> tuple[msgspec.Raw, ...]:
        """Of what waits, the most urgent first, what the next report carries."""
        if self.suspect is not None:
            return ()
        chosen = tuple(offered if self._most is None else offered[: self._most])
        self._whole = len(chosen) == len(offered)
        return chosen

    def refused(self, items: Sequence[msgspec.Raw], why: str) -> bool:
        """Return the report with these items was refused; whether another one may fare better."""
        if not items:
            self._most, self.suspect = None, None
            return False
        if len(items) == 1:
            seen = msgspec.json.decode(items[0], type=_Named)
            self.suspect = ((seen.boot, seen.sequence), why)
        else:
            self._most = len(items) // 2
        return True

    def taken(self, items: Sequence[msgspec.Raw]) -> tuple[Place, str] | None:
        """Record an accepted report; return the item to set aside, and why, where one was found."""
        found, self.suspect = self.suspect, None
        if found is not None or self._whole:
            self._most = None
        elif self._most is not None:
            self._most = 2 * len(items)
        return found


_SLOWEST = REPORT_EVERY
"""Seconds at most after refusals; where nobody answers, `pace.BACK` counts."""
_APART = 5.0
"""Seconds between two reports at least, but for a backlog, whose pace the control plane gives."""
_LEAST, _MOST_APART = 0.25, 60.0
_SOON = 30.0
"""Seconds from which the time after a failure doubles: one lost packet must not hide a failed trial for an hour."""
_OUTCOMES = 200


class Outbox:
    """Items of the store on their way. This one, of a device without a store, has none."""

    def urgent(self) -> bool:
        """Return whether something waits that must not wait for the next report."""
        return False

    def backlog(self) -> bool:
        """Return whether more waits than one report carries, as after an outage."""
        return False

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return what waits, as the store sends it; stays until it is settled."""
        return ()

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        """(boot, sequence) of what is durable on the other side; what was offered and is not named waits on."""

    def refuse(self, position: tuple[int, int], why: str) -> None:
        """Record that the item (boot, sequence) is never accepted, and why; its owner sets it aside."""


class ReportSender:
    """Reports to the control plane (`fleet.device.ports.Teller`).

    A report that was not acknowledged is sent again as it was, byte for byte: the other side may have it already, and
    a report that differs under one number would look like a second device with this one's key. One that was refused for
    what it says was never taken: it is given up, and what it had to say goes under the next number, as `Sieve` says.

    Args:
        state: keeps number, nonce and outcomes.
        control: plane.
        clock, chance: of the device.
        outbox: of the store.
        tags: that the device's own configuration gives it, beside those of its enrolment.
        every: seconds between two reports.
    """

    def __init__(
        self, state: State, control: Control, clock: Clock, chance: Chance, *, outbox: Outbox | None = None,
        tags: Sequence[str] = (), every: float = REPORT_EVERY,
    ) -> None:  # fmt: skip
        self._state, self._control, self._clock = state, control, clock
        self._outbox = outbox or Outbox()
        self._tags, self._pace = tuple(tags), Pace(chance, every, _SLOWEST, _SOON)
        self._pending: Report | None = None
        self._owed = False
        self._sieve = PoisonIsolation()
        self._last, self._more = -_APART, _APART

    def tell(self, facts: Report, urgent: bool = False, heard: bool = False) -> float:
        """Send a report where one is due."""
        now = self._clock.monotonic()
        self._owed = self._owed or urgent
        if heard:
            self._pace.heard(now)
        due = self._due()
        if now < due or not self._state.link.device:
            return max(_LEAST, due - now)
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
            return max(_LEAST, self._due() - now)
        except Unreachable as error:
            self._pace.away(now, error.wait)
            return self._pace.due - now
        except Exception:
            # Refused as a whole, or the disk is full: what was to be said is said anew, with what is true then.
            self._pending = None
            self._pace.bad(now)
            raise
        self._state.acknowledge(answer)
        self._pending = None
        found = self._sieve.taken(report.items)
        if found is None:
            self._outbox.settle(answer.durable)
        else:
            self._outbox.refuse(*found)
        self._owed = not anew or self._sieve.active
        self._more = min(max(answer.more, 0.0), _MOST_APART)
        self._pace.good(now, max(answer.wait, 1.0) if answer.wait else None)
        return max(_LEAST, self._due() - now)

    def _due(self) -> float:
        """When the next report is due, on the monotonic clock."""
        if self._pace.failures:
            return self._pace.due  # where nobody answers, urgency does not make it answer
        due = self._pace.due
        if self._owed or self._outbox.urgent():
            due = min(due, self._last + _APART)
        if self._outbox.backlog():
            due = min(due, self._last + self._more)
        return due

    def _report(self, facts: Report) -> Report:
        items = self._sieve.choose(self._outbox.offered())
        return msgspec.structs.replace(
            facts, nonce=self._state.link.nonce, sequence=self._state.next_sequence(), clock=self._clock.wall(),
            outcomes=self._state.outcomes[:_OUTCOMES], items=items, why=facts.why[:500], tags=self._tags,
        )  # fmt: skip
