"""State tables at work on one stream: rows, answers, anomalies and what is not well, in order of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from edgewright.core.state_machine.guards import Value
from edgewright.core.state_machine.machine import Machine, Transition
from edgewright.core.state_machine.validation import CheckedTable
from edgewright.device.agent.commands import Commands
from edgewright.device.agent.stream_decisions import OWN_NAMES, StreamAnswer
from edgewright.device.timeline import Ready
from edgewright.monitor.sensor_health import Health
from edgewright.schema.device import Event

ROW, WINDOW, DECISION, ALARM, UNSURE = "row", "window", "decision", "alarm", "unsure"
ANOMALY, HEALTH, GAP = "anomaly", "health", "gap"
EVENTS = (ROW, WINDOW, DECISION, ALARM, UNSURE, ANOMALY, HEALTH, GAP)
"""What may come to a table: a row, an answer, a changed decision, an alarm, an answer that is not sure, ..."""
ANOMALY_NAMES = ("anomaly", "anomaly_channel", "detector")
HEALTH_NAMES = ("health", "health_channel")
NAMES = (*OWN_NAMES, *ANOMALY_NAMES, *HEALTH_NAMES)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A table with what it follows.

    Attributes:
        checked: the table.
        streams: patterns.
        package: whose answers it sees; empty for none.
        columns: names of the columns whose rows it sees.
        rate: rows a second; None where nobody knows.
    """

    checked: CheckedTable
    streams: tuple[str, ...]
    package: str
    columns: tuple[str, ...]
    rate: float | None

    @property
    def name(self) -> str:
        """Of the table."""
        return self.checked.table.name


class Anomaly(NamedTuple):
    """An anomaly: when, its score, the channel and the detector."""

    time: float
    score: float
    channel: str
    detector: str


class RuleRunner:
    """One table on one stream.

    Args:
        rule: the table and what it follows.
        commands: that it may start.
    """

    KEPT = ("machine",)

    def __init__(self, rule: Rule, commands: Commands) -> None:
        self.rule, self._commands = rule, commands
        self.machine = Machine(rule.checked)
        requested = {name for guard in rule.checked.guards for name in guard.names}
        requested |= {rate.name for guard in rule.checked.guards for rate in guard.rates}
        self._columns = [(place, name) for place, name in enumerate(rule.columns) if name in requested]
        # Rows are looked at one by one only where the table asks for them or for a column.
        self._each_row = ROW in rule.checked.events
        self._forgotten = (*OWN_NAMES, *ANOMALY_NAMES)

    def take(
        self, rows: Sequence[Ready], seen: Sequence[StreamAnswer], odd: Sequence[Anomaly], health: Sequence[Health]
    ) -> list[tuple[float, Event]]:
        """Return everything that happened on the stream since the last call.

        Args:
            rows: of the table's columns.
            seen: answers of its package.
            odd: anomalies.
            health: what is not well.

        Returns:
            Events with their time, in order.
        """
        moments: list[tuple[float, int, int, Any]] = []
        for number, one in enumerate(health):
            moments.append((one.time, 0, number, one))
        for block in rows:
            self._see(block, moments)
        for number, anomaly in enumerate(odd):
            moments.append((anomaly.time, 2, number, anomaly))
        for number, answer in enumerate(seen):
            moments.append((answer.time, 3, number, answer))
        moments.sort(key=lambda moment: moment[:3])
        events: list[tuple[float, Event]] = []
        for time, kind, _, what in moments:
            events += self._told(self._moment(kind, what, time))
        return events

    def tick(self, time: float) -> list[tuple[float, Event]]:
        """Return time goes on without rows."""
        return self._told(self.machine.tick(time))

    def _see(self, block: Ready, moments: list[tuple[float, int, int, Any]]) -> None:
        if block.gap_before:
            moments.append((float(block.time[0]), 1, -1, None))
        times = block.time.tolist()
        if not self._columns and not self._each_row:
            # Time alone: the last row says how late it is.
            moments.append((times[-1], 1, len(times), {}))
            return
        columns = [(name, block.values[:, place].tolist()) for place, name in self._columns]
        for number, time in enumerate(times):
            moments.append((time, 1, number, {name: values[number] for name, values in columns}))

    def _moment(self, kind: int, what: Any, time: float) -> list[Transition]:  # noqa: ANN401 - by kind
        machine = self.machine
        if kind == 0:
            names = {"health": what.what, "health_channel": what.channel}
            return machine.push(HEALTH, names, time)
        if kind == 1:
            if what is None:
                machine.forget(*self._forgotten)
                return machine.push(GAP, {}, time)
            taken = machine.tick(time)
            if what:
                machine.values(what, time)
            return taken + machine.push(ROW, {}, time) if self._each_row else taken
        if kind == 2:
            names = {"anomaly": what.score, "anomaly_channel": what.channel, "detector": what.detector}
            return machine.push(ANOMALY, names, time)
        return self._answer(what)

    def _answer(self, seen: StreamAnswer) -> list[Transition]:
        machine, time = self.machine, seen.time
        if not seen.sure:
            return machine.push(UNSURE, seen.names, time)
        taken = machine.sure(time)
        taken += machine.push(WINDOW, seen.names, time)
        if seen.decided:
            taken += machine.push(DECISION, {}, time)
        if seen.alarm:
            taken += machine.push(ALARM, {}, time)
        return taken

    def _told(self, taken: Sequence[Transition]) -> list[tuple[float, Event]]:
        events: list[tuple[float, Event]] = []
        for step in taken:
            detail: dict[str, Any] = {"table": self.rule.name, "from": step.before, "to": step.after}
            detail["reason"] = step.event
            if step.before != step.after:
                events.append((step.time, Event(kind="state", time=step.time, label=step.after, detail=detail)))
            for action in step.actions:
                if action.forget:
                    self.machine.forget(action.forget)
                    continue
                more = dict(detail)
                if action.command:
                    more["command"] = self._commands.start(action.command)
                label = action.alarm or action.event or action.command or action.say
                kind = "alarm" if action.alarm else "state"
                value: Value = self.machine.names.get("confidence", 0.0)
                score = float(value) if isinstance(value, float | int) and math.isfinite(value) else 0.0
                events.append((step.time, Event(kind=kind, time=step.time, label=label, score=score, detail=more)))  # type: ignore[arg-type]
        return events
