"""How the process itself is: what runs, latency, memory, the disk, commands that failed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgewright.device.agent.commands import Commands
from edgewright.device.agent.plan import Plan
from edgewright.device.agent.store_writer import Keeper, free_bytes, resident
from edgewright.device.agent.stream import health_event
from edgewright.device.store.status import INSTEAD, REFUSED, START
from edgewright.monitor.sensor_health import Health
from edgewright.schema.device import Event
from edgewright.schema.device_config import AgentConfig

if TYPE_CHECKING:
    from edgewright.device.agent.loop import Report

AGENT = "agent"
_LOOK = 60.0


class Reporter:
    """Looks after the process.

    Args:
        config: limits.
        keeper: way into the store.
        commands: that rules started.
        report: what was done so far.
    """

    def __init__(self, config: AgentConfig, keeper: Keeper, commands: Commands, report: Report) -> None:
        self._config, self._keeper, self._commands, self._report = config, keeper, commands, report
        self._began = self._looked = time.monotonic()
        self._windows = self._events = 0
        self._latency = report.latency.copy()
        self._full = self._large = False

    def started(self, plan: Plan) -> list[Event]:
        """What runs from now on, and which packages were refused."""
        detail: dict[str, Any] = {"package": [answerer.name for answerer in plan.answerers]}
        detail["sha256"] = [answerer.predictor.package.sha256[:16] for answerer in plan.answerers]
        detail["model"] = [f"{a.predictor.form}, {a.predictor.engine.name}" for a in plan.answerers]
        events = [Event(kind="health", label=START, detail=detail)]
        for name, why in plan.refused:
            told = {"package": name, "reason": f"package {name} was refused: {INSTEAD}", "notice": why}
            events.append(Event(kind="health", label=REFUSED, detail=told))
        return events

    def look(self, now: float, streams: int) -> list[Event]:
        """Commands that failed; once a minute what else is not well; after each stretch a summary."""
        failed_commands = [_health("command", f"command {name}: {how}") for name, how in self._commands.look()]
        if now - self._looked < _LOOK:
            return failed_commands
        self._looked = now
        events = [*failed_commands, *self._disk(), *self._memory()]
        failed = self._keeper.recovered()
        if failed:
            events.append(_health("store", f"store: well after {failed} failures", float(failed)))
        if now - self._began >= self._config.summary:
            events += self.summary(streams)
            self._began = now
        return events

    def summary(self, streams: int) -> Sequence[Event]:
        """Of the process since the last one."""
        report = self._report
        latency = report.latency.since(self._latency)
        detail = {
            "windows": report.windows - self._windows,
            "count": report.events - self._events,
            "latency": [latency.quantile(0.5), latency.quantile(0.99)],
            "bytes": resident(),
            "streams": streams,
            "seconds": round(time.monotonic() - self._began, 3),
        }
        self._windows, self._events = report.windows, report.events
        self._latency = report.latency.copy()
        return [Event(kind="summary", label=AGENT, detail=detail)]

    def _disk(self) -> list[Event]:
        free = free_bytes(str(self._keeper.store.folder))
        if free is None:
            return []
        # Well again only with a tenth more: a disk at its limit is told of once.
        full = free < self._config.disk_free * (1.1 if self._full else 1.0)
        changed, self._full = full != self._full, full
        if not changed:
            return []
        text = f"disk nearly full: {free >> 20} MiB free" if full else f"well: {free >> 20} MiB of disk free"
        return [_health("disk" if full else "well", text, float(free))]

    def _memory(self) -> list[Event]:
        used = resident()
        large = bool(self._config.memory) and used > self._config.memory
        changed, self._large = large != self._large, large
        if not changed:
            return []
        text = f"memory: {used >> 20} MiB" if large else f"well: memory {used >> 20} MiB"
        return [_health("memory" if large else "well", text, float(used))]


def _health(what: str, text: str, amount: float = 0.0) -> Event:
    return health_event(Health(time=0.0, what=what, text=text, amount=amount))
