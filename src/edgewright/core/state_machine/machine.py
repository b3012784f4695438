"""A state machine at work: events in, steps out; the same events at the same times give the same steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import msgspec

from edgewright.core.state_machine.guards import Rate, Value
from edgewright.core.state_machine.table import EVERY, LATE, TIMEOUT, Action, CheckedTable, Row

_POINTS = 256
"""Points that a rate of change remembers, however fast rows come."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was taken.

    Attributes:
        time: seconds of the stream; of a time-out the moment at which it was due.
        event: that was the reason.
        before, after: states; the same where it stayed.
        actions: what is to be done.
        index: of the step among the table's, from 0; -1 for the watchdog where the table has no step for it.
    """

    time: float
    event: str
    before: str
    after: str
    actions: tuple[Action, ...]
    index: int


class Machine:
    """A machine; its memory does not grow. Time never goes back: an earlier one counts as the last one.

    Args:
        checked: the table.

    Attributes:
        state: the present one.
        since: seconds of the stream at which it was entered; NaN before the first event.
    """

    KEPT = ("state", "since", "_now", "_sure", "_calm", "_names", "_rates")

    def __init__(self, checked: CheckedTable) -> None:
        self.checked, self.table = checked, checked.table
        self.state, self.since = checked.table.initial, math.nan
        self._now = -math.inf
        self._sure = math.nan
        self._calm = True
        self._names: dict[str, Value] = {}
        rates = sorted({rate for guard in checked.guards for rate in guard.rates})
        self._rates = {rate: _Change(rate) for rate in rates}

    @property
    def names(self) -> Mapping[str, Value]:
        """What guards see now."""
        return self._names

    def push(self, event: str, names: Mapping[str, Value], time: float) -> list[Transition]:
        """Something happened.

        Args:
            event: its name.
            names: numbers and words that guards see from now on, beside those of before.
            time: seconds of the stream.

        Returns:
            The steps that were taken: time-outs that were due before, and at most one for the event.
        """
        steps = self.tick(time)
        self._names.update(names)
        row = self._row(event)
        if row is not None:
            steps.append(self._go(row.step.to, event, row.step.actions, row.index, self._now))
        return steps

    def values(self, names: Mapping[str, Value], time: float) -> None:
        """Tell numbers of a row without an event; rates of change follow them."""
        self._names.update(names)
        for rate, change in self._rates.items():
            value = self._names.get(rate.name)
            if isinstance(value, float | int):
                self._names[rate.key] = change.push(float(value), time)

    def forget(self, *names: str) -> None:
        """Make names unknown, after a hole in the stream for example; rates of change start over."""
        for name in names:
            self._names.pop(name, None)
        for rate, change in self._rates.items():
            change.clear()
            self._names.pop(rate.key, None)

    def recall(self, state: str, time: float) -> None:
        """Say that a state was entered while this machine did not see the stream; a name that is none says nothing."""
        if state in self.table.states:
            self.state, self.since = state, time
            self._now = max(self._now, time)

    def paused(self, time: float) -> None:
        """Nothing was seen of the stream up to `time`: the state stays, and waits again.

        What would have called a time-out off may have happened unseen: it is due when the state has lasted all of its
        time since then. So is the watchdog. No name is known until it is told again.
        """
        if not math.isnan(self.since):
            self.since = self._sure = self._now = time
        self.forget(*self._names)

    def sure(self, time: float) -> list[Transition]:
        """Return the model gave a sure answer: the watchdog is calm for another `patience` seconds.

        Returns:
            What was due before.
        """
        steps = self.tick(time)
        self._sure, self._calm = self._now, True
        return steps

    def due(self) -> float:
        """When something happens by itself; infinite where nothing will."""
        return min(self._timeout(), self._watchdog())

    def tick(self, time: float) -> list[Transition]:
        """Let time go on; return the steps of time-outs and of the watchdog, in the order in which they were due."""
        if math.isnan(self.since):
            self.since = self._sure = time
        self._now = max(self._now, time)
        steps: list[Transition] = []
        # A ring of time-outs takes as many turns as fit into the time that has passed, but not for ever.
        for _ in range(1000):
            due = self.due()
            if due > self._now:
                return steps
            if self._watchdog() <= self._timeout():
                self._calm = False
                if self.state != self.table.safe:
                    row = self._row(LATE)
                    actions, index = (row.step.actions, row.index) if row else ((), -1)
                    steps.append(self._go(self.table.safe, LATE, actions, index, due))
                continue
            row = self.checked.timeouts[self.state]
            to = row.step.to or self.state
            steps.append(self._go(to, TIMEOUT, row.step.actions, row.index, due))
        self.since = self._now
        return steps

    def _timeout(self) -> float:
        row = self.checked.timeouts.get(self.state)
        return math.inf if row is None or row.step.after is None else self.since + row.step.after

    def _watchdog(self) -> float:
        return self._sure + self.table.patience if self.table.patience and self._calm else math.inf

    def _row(self, event: str) -> Row | None:
        rows = self.checked.rows
        for row in rows.get((self.state, event), ()):
            if row.guard.holds(self._names):
                return row
        if event in (LATE, TIMEOUT):
            return None
        return next((row for row in rows.get((self.state, EVERY), ()) if row.guard.holds(self._names)), None)

    def _go(self, to: str, event: str, actions: tuple[Action, ...], index: int, time: float) -> Transition:
        before = self.state
        if to:
            self.state, self.since = to, time
        return Transition(time=time, event=event, before=before, after=self.state, actions=actions, index=index)


class _Change:
    """Change of one name a second, over a stretch."""

    KEPT = ("_points",)

    def __init__(self, rate: Rate) -> None:
        self._seconds = rate.seconds
        self._points: deque[tuple[float, float]] = deque()

    def clear(self) -> None:
        self._points.clear()

    def push(self, value: float, time: float) -> float:
        """Return the change up to this row; NaN while the stretch is not full."""
        if math.isnan(value):
            return math.nan
        points = self._points
        if not self._seconds:
            before = points[-1] if points else None
            points.clear()
            points.append((time, value))
            return math.nan if before is None or time <= before[0] else (value - before[1]) / (time - before[0])
        # The newest point that is old enough stays the first.
        while len(points) > 1 and time - points[1][0] >= self._seconds:
            points.popleft()
        first = points[0] if points else None
        if not points or time - points[-1][0] >= self._seconds / _POINTS:
            points.append((time, value))
        if first is None or time - first[0] < self._seconds:
            return math.nan
        return (value - first[1]) / (time - first[0])
