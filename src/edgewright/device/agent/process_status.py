"""How the agent's process is: latency, memory and disk in events, vitals for the one who supervises it."""

from __future__ import annotations

import math
import os
import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import OutputError
from edgewright.core.files import resident_bytes
from edgewright.core.measures import measures
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Event, Packet
from edgewright.core.records.fleet import Vitals
from edgewright.device.agent.checkpoint import Remembered
from edgewright.device.agent.packages import Answered, Answerer
from edgewright.device.agent.plan import Plan
from edgewright.device.agent.rules import Commands
from edgewright.device.agent.stream import health_event
from edgewright.device.agent.systemd import Supervisor
from edgewright.device.configuration import AgentConfig
from edgewright.device.store.status import INSTEAD, REFUSED, START
from edgewright.device.store.store import Store
from edgewright.monitor.sensor_health import Health

_SHORTEST_S, _DECADES, _A_DECADE = 1e-6, 8, 20  # 1 µs to 100 s, a bin is 12 %


class Latency:
    """Times in bins that grow by 12 %: quantiles without keeping the times."""

    def __init__(self) -> None:
        self.bins = np.zeros(_DECADES * _A_DECADE + 1, np.int64)

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a time."""
        index = math.ceil(_A_DECADE * math.log10(max(seconds, _SHORTEST_S) / _SHORTEST_S))
        self.bins[min(index, len(self.bins) - 1)] += times

    def quantile(self, share: float) -> float:
        """Upper edge of the bin in which it lies, in seconds; 0 where nothing was counted."""
        total = self.bins.cumsum()
        if not total[-1]:
            return 0.0
        index = int(np.searchsorted(total, share * total[-1]))
        return float(f"{_SHORTEST_S * 10 ** (index / _A_DECADE):.3g}")

    def since(self, before: Latency) -> Latency:
        """Return what was counted after a `copy`."""
        difference = Latency()
        difference.bins = self.bins - before.bins
        return difference

    def copy(self) -> Latency:
        """Return a copy of the counts."""
        return self.since(Latency())


class Report(msgspec.Struct, kw_only=True):
    """What an agent did.

    Attributes:
        rows, windows, events, alarms: how many.
        first: seconds from the agent's start to its first answer; None where there was none.
        latency: of answers, from the arrival of the last row.
    """

    rows: int = 0
    windows: int = 0
    events: int = 0
    alarms: int = 0
    first: float | None = None
    latency: Latency = msgspec.field(default_factory=Latency)


_ARRIVING = 10.0  # seconds without a row that still count as time with rows
_LABELS, _CHANNELS = 100, 200
_READ = {measure.column: (measure.total, measure.read) for measure in measures().values() if measure.read}


class VitalsReporter:
    """Counts since the start.

    Args:
        supervisor: receives the reports.
        answerers: packages at work; their columns are the channels that may drift.
        every: seconds between two reports; `EDGEWRIGHT_VITALS` when left out, and none where that is not set.
    """

    def __init__(self, supervisor: Supervisor, answerers: Sequence[Answerer], every: float | None = None) -> None:
        given = os.environ.get("EDGEWRIGHT_VITALS", "") if every is None else str(every)
        self._every = float(given) if given.replace(".", "", 1).isdigit() else 0.0
        self._supervisor = supervisor
        self._channels = sum(len(answerer.columns) for answerer in answerers)
        self._kinds: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._drifting: set[str] = set()
        self._unsure, self._seconds = 0, 0.0
        self._amounts, self._readings = dict.fromkeys(_READ, 0.0), dict.fromkeys(_READ, 0.0)
        self._rows = self._last = self._reported = -1e9

    def answered(self, batch: Sequence[Answered]) -> None:
        """Count answers."""
        if not self._every:
            return
        for measure in batch:
            self._unsure += int(measure.answers.unsure.sum())
            if measure.answers.predictions is None:
                self._classes.update(measure.answers.labels[~measure.answers.missing].tolist())

    def events(self, events: Sequence[Event]) -> None:
        """Count events."""
        if not self._every:
            return
        for event in events:
            self._kinds[event.kind] += 1
            if event.kind == "drift" and event.label != "confidence" and len(self._drifting) < _CHANNELS:
                self._drifting.add(event.label)

    def beat(self, now: float, rows: bool, windows: int, latency: Latency) -> None:
        """Record one round of the loop.

        Args:
            now: monotonic seconds.
            rows: whether some came.
            windows: answers so far.
            latency: of them.
        """
        if not self._every:
            return
        if rows:
            self._rows = now
        counting = now - self._rows < _ARRIVING and self._last > 0.0
        if counting:
            self._seconds += min(now - self._last, _ARRIVING)
        due = now - self._reported >= self._every
        for name, (total, read) in _READ.items():
            if total == "sum":  # of the process, such as its processor time
                before, self._readings[name] = self._readings[name], read()
                self._amounts[name] += counting * (self._readings[name] - before)
            elif due:
                self._amounts[name] = max(self._amounts[name], read()) if total == "max" else read()
        self._last = now
        if not due:
            return
        self._reported = now
        amounts = {name: round(amount, 3) for name, amount in self._amounts.items() if math.isfinite(amount)}
        vitals = Vitals(
            seconds=round(self._seconds, 3), windows=windows, unsure=self._unsure, alarms=self._kinds["alarm"],
            anomalies=self._kinds["anomaly"], latency=(latency.quantile(0.5), latency.quantile(0.99)),
            memory=int(amounts.pop("memory", 0)), processor=amounts.pop("processor", 0.0),
            drifting=tuple(sorted(self._drifting)), channels=self._channels,
            classes=dict(self._classes.most_common(_LABELS)), measured=amounts or msgspec.UNSET,
        )  # fmt: skip
        self._supervisor.say(f"X_VITALS={msgspec.json.encode(vitals).decode()}")


AGENT = "agent"
_LOOK = 60.0


class StatusReporter:
    """Reports how the process is, as events.

    Args:
        config: limits.
        keeper: way into the store.
        commands: that rules started.
        report: what was done so far.
    """

    def __init__(self, config: AgentConfig, keeper: StoreWriter, commands: Commands, report: Report) -> None:
        self._config, self._keeper, self._commands, self._report = config, keeper, commands, report
        self._began, self._looked = time.monotonic(), -math.inf
        self._windows = self._events = 0
        self._latency = report.latency.copy()
        self._full = self._large = False

    def started(self, plan: Plan, kept: Sequence[str] = ()) -> list[Event]:
        """Return what runs from now on, which packages were refused, and keys that differ from the release's."""
        detail: dict[str, Any] = {"package": [answerer.name for answerer in plan.answerers]}
        detail["sha256"] = [answerer.predictor.package.sha256[:16] for answerer in plan.answerers]
        detail["model"] = [f"{a.predictor.form}, {a.predictor.engine.name}" for a in plan.answerers]
        events = [Event(kind="health", label=START, detail=detail)]
        for name, why in plan.refused:
            record = {"package": name, "reason": f"package {name} was refused: {INSTEAD}", "notice": why}
            events.append(Event(kind="health", label=REFUSED, detail=record))
        if kept:
            events.append(_health("settings", f"device.toml differs from the release in {', '.join(kept)}"))
        return events

    def look(self, now: float, streams: int) -> list[Event]:
        """Return commands that failed; at the start and once a minute other problems; after each stretch a summary."""
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
        """Return the summary of the process since the last one."""
        report = self._report
        latency = report.latency.since(self._latency)
        detail = {
            "windows": report.windows - self._windows,
            "count": report.events - self._events,
            "latency": [latency.quantile(0.5), latency.quantile(0.99)],
            "bytes": resident_bytes(),
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
        text = f"disk nearly full: {free >> 20} MiB free" if full else f"well: {free >> 20} MiB of disk free"
        return [_health("disk" if full else "well", text, float(free))] if changed else []

    def _memory(self) -> list[Event]:
        used = resident_bytes()
        large = bool(self._config.memory) and used > self._config.memory
        changed, self._large = large != self._large, large
        text = f"memory: {used >> 20} MiB" if large else f"well: memory {used >> 20} MiB"
        return [_health("memory" if large else "well", text, float(used))] if changed else []


def _health(kind: str, text: str, amount: float = 0.0) -> Event:
    return health_event(Health(time=0.0, kind=kind, text=text, amount=amount))


def free_bytes(folder: str) -> int | None:
    """Return bytes that are free for this user where a folder lies; None where nobody knows."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


# What differs between two lines that are the same trouble: what was read, and numbers.
_OWN = re.compile(r"""['"].*['"]|\d+""", re.DOTALL)
_KINDS, _STREAMS = 64, 8
_OTHERS = "\0"


class Notices:
    """Lets the first notice of a kind through and counts those that follow it closely.

    A line at the wrong speed, a sender without a header or a gateway with too many streams makes a notice of every
    packet; the store, the outbox and the terminal must not fill with them. Of one kind, eight streams have a notice
    each, and all others share one.

    Args:
        seconds: in which a kind of notice is reported once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kinds: dict[str, dict[str, tuple[float, int]]] = {}

    def passed(self, packet: Packet, now: float) -> Packet:
        """Return the packet, without its notice where one of that kind was reported shortly before.

        Args:
            packet: as it came.
            now: seconds of a clock that never falls back.
        """
        text = self.take(packet.stream, packet.notice, now) if packet.notice else ""
        return packet if text == packet.notice else msgspec.structs.replace(packet, notice=text)

    def take(self, stream: str, text: str, now: float) -> str:
        """Return the notice with the number of those left out before it; empty where this one is left out."""
        kind = _OWN.sub("#", text)
        if kind not in self._kinds and len(self._kinds) >= _KINDS:
            self._kinds.clear()
        reported = self._kinds.setdefault(kind, {})
        if stream not in reported and len(reported) >= _STREAMS:
            for name in [name for name, (then, _) in reported.items() if now - then >= self._seconds]:
                if name != _OTHERS:
                    del reported[name]
            stream = stream if len(reported) < _STREAMS else _OTHERS
        then, left = reported.get(stream, (-self._seconds, 0))
        if stream in reported and now - then < self._seconds:
            reported[stream] = (then, left + 1)
            return ""
        reported[stream] = (now, 0)
        return f"{text} (and {left} more like it before)" if left else text


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
