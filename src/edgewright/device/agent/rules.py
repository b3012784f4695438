"""State tables at work on one stream, fed in order of time, and the programs that their actions may start."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, NamedTuple

import msgspec

from edgewright.core.records.device import Event
from edgewright.core.state_machine.guards import Value
from edgewright.core.state_machine.machine import Machine, Transition
from edgewright.core.state_machine.table import CheckedTable
from edgewright.device.agent.stream_decisions import OWN_NAMES, StreamAnswer
from edgewright.device.configuration import CommandEntry
from edgewright.device.timeline import Ready
from edgewright.monitor.sensor_health import Health

MOST_AT_ONCE = 4
# A fresh environment: nothing of the agent's own reaches a program. Its files are closed when another one begins.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


class Commands:
    """Programs that rules started; the agent does not wait for them.

    Args:
        allowed: by name.
        run: False notes what would be started and starts nothing, as for a recording that is replayed.
    """

    def __init__(self, allowed: Mapping[str, CommandEntry], run: bool) -> None:
        self._allowed, self._run = dict(allowed), run
        self._running: list[tuple[int, float, str]] = []

    def start(self, name: str) -> str:
        """Start a program: 'started', 'not run' (a recording), or why not."""
        entry = self._allowed.get(name)
        if entry is None:
            return "not allowed"
        if not self._run:
            return "not run"
        if len(self._running) >= MOST_AT_ONCE:
            return "too many at once"
        nothing = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_RDWR, 0) for handle in (0, 1, 2)]
        try:
            # posix_spawn and not `subprocess`, whose import would cost a twentieth of the agent's start.
            process = os.posix_spawn(
                entry.run[0],
                list(entry.run),
                _ENVIRONMENT,
                file_actions=nothing,
                setpgroup=0,
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
            )
        except OSError as error:
            return error.strerror or "failed"
        self._running.append((process, monotonic() + entry.seconds, name))
        return "started"

    def look(self) -> list[tuple[str, str]]:
        """Return what ended badly since the last look: (name, how)."""
        failures, still = [], []
        for process, until, name in self._running:
            ended, status = _poll(process)
            if not ended and monotonic() >= until:
                _end(process)
                failures.append((name, "ended: it took too long"))
            elif not ended:
                still.append((process, until, name))
            elif code := os.waitstatus_to_exitcode(status):
                failures.append((name, f"exit code {code}"))
        self._running = still
        return failures

    def close(self, wait: float) -> None:
        """Wait at most so many seconds for programs that still run, and end the others."""
        until = monotonic() + wait
        while self._running and monotonic() < until:
            self.look()
            sleep(0.01)
        for process, _, _ in self._running:
            _end(process)
        self._running = []


def _poll(process: int) -> tuple[bool, int]:
    try:
        ended, status = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return True, 0
    return ended == process, status


def _end(process: int) -> None:
    with suppress(OSError):
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)


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
        self._columns = [(index, name) for index, name in enumerate(rule.columns) if name in requested]
        # Rows are looked at one by one only where the table asks for them or for a column.
        self._each_row = ROW in rule.checked.events
        self._forgotten = (*OWN_NAMES, *ANOMALY_NAMES)

    def take(
        self, rows: Sequence[Ready], seen: Sequence[StreamAnswer], odd: Sequence[Anomaly], health: Sequence[Health]
    ) -> list[tuple[float, Event]]:
        """Return the events of the table for everything that happened on the stream since the last call.

        Args:
            rows: of the table's columns.
            seen: answers of its package.
            odd: anomalies.
            health: what is not well.

        Returns:
            Events with their time, in order.
        """
        moments: list[tuple[float, int, int, Any]] = []
        for number, problem in enumerate(health):
            moments.append((problem.time, 0, number, problem))
        for block in rows:
            self._see(block, moments)
        for number, anomaly in enumerate(odd):
            moments.append((anomaly.time, 2, number, anomaly))
        for number, answer in enumerate(seen):
            moments.append((answer.time, 3, number, answer))
        moments.sort(key=lambda moment: moment[:3])
        events: list[tuple[float, Event]] = []
        for time, kind, _, content in moments:
            events += self._events_of(self._moment(kind, content, time))
        return events

    def tick(self, time: float) -> list[tuple[float, Event]]:
        """Return what time-outs and the watchdog do while time goes on without rows."""
        return self._events_of(self.machine.tick(time))

    def _see(self, block: Ready, moments: list[tuple[float, int, int, Any]]) -> None:
        if block.gap_before:
            moments.append((float(block.time[0]), 1, -1, None))
        times = block.time.tolist()
        if not self._columns and not self._each_row:
            # Time alone: the last row says how late it is.
            moments.append((times[-1], 1, len(times), {}))
            return
        columns = [(name, block.values[:, index].tolist()) for index, name in self._columns]
        for number, time in enumerate(times):
            moments.append((time, 1, number, {name: values[number] for name, values in columns}))

    def _moment(self, kind: int, content: Any, time: float) -> list[Transition]:  # noqa: ANN401 - by kind
        machine = self.machine
        if kind == 0:
            names = {"health": content.kind, "health_channel": content.channel}
            return machine.push(HEALTH, names, time)
        if kind == 1:
            if content is None:
                machine.forget(*self._forgotten)
                return machine.push(GAP, {}, time)
            steps = machine.tick(time)
            if content:
                machine.values(content, time)
            return steps + machine.push(ROW, {}, time) if self._each_row else steps
        if kind == 2:
            names = {"anomaly": content.score, "anomaly_channel": content.channel, "detector": content.detector}
            return machine.push(ANOMALY, names, time)
        return self._answer(content)

    def _answer(self, seen: StreamAnswer) -> list[Transition]:
        machine, time = self.machine, seen.time
        if not seen.sure:
            return machine.push(UNSURE, seen.names, time)
        steps = machine.sure(time)
        steps += machine.push(WINDOW, seen.names, time)
        if seen.decided:
            steps += machine.push(DECISION, {}, time)
        if seen.alarm:
            steps += machine.push(ALARM, {}, time)
        return steps

    def _events_of(self, steps: Sequence[Transition]) -> list[tuple[float, Event]]:
        events: list[tuple[float, Event]] = []
        for step in steps:
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
