"""One stream at work: its rows cut for every package, watched by detectors and rules, and what came of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from edgewright.core.records.device import Event, Packet
from edgewright.device.agent.checkpoint import Checkpoint, SavedState, drift_key, stream_key, watch_key
from edgewright.device.agent.feed import Feed, SampleBatch, WindowCutter
from edgewright.device.agent.packages import Answered, matches
from edgewright.device.agent.plan import DetectorPlan, Plan
from edgewright.device.agent.rules import Anomaly, Commands, RuleRunner
from edgewright.device.agent.settings import Configured
from edgewright.device.agent.stream_checkpoint import StreamCheckpoint, Unit
from edgewright.device.agent.stream_decisions import DecisionStream, StreamAnswer
from edgewright.device.agent.stream_drift import StreamDetector, stream_drift
from edgewright.device.timeline import Ready
from edgewright.monitor.sensor_health import Health

# Among events of one moment: what is not well, anomalies, decisions, steps of tables, summaries.
_HEALTH, _ANOMALY, _DECISION, _STATE, _SUMMARY = range(5)
# These words are made here; a source's own words may hold what it read and stay on the device.
_OWN_WORDS = ("source",)
_TimedEvent = tuple[float, int, Event]


class PendingSamples(msgspec.Struct):
    """Samples of a stream for one package; `answered` is filled in when the whole batch was."""

    unit: Unit
    cut: SampleBatch
    answered: Answered | None = None
    failed: str = ""


class StreamState:
    """A stream and all that follows it; bounded by its windows.

    Args:
        name: name of the stream.
        plan: packages, detectors and rules.
        configured: settings.
        commands: that rules may start.
        remembered: what was known before the agent last stopped; None where nothing is.
        recorded: whether the rows are those of a recording.
    """

    def __init__(
        self, name: str, plan: Plan, configured: Configured, commands: Commands, remembered: Checkpoint | None = None,
        *, recorded: bool = False,
    ) -> None:  # fmt: skip
        self.name, self._recorded = name, recorded
        self.feeds: dict[tuple[tuple[str, ...], float | None], Feed] = {}
        self._plan, self._timeline = plan, configured.timeline
        settings, summary = configured.settings, configured.settings.agent.summary
        rules = [rule for rule in plan.rules if matches(rule.streams, name)]
        self._remembered, exact = remembered, remembered is not None and remembered.exact

        def kept(key: str) -> SavedState | None:
            return remembered.take(key) if remembered is not None else None

        ruled = {rule.package for rule in rules}
        self.units = [
            Unit(
                a,
                self._feed(a.columns, a.rate),
                WindowCutter(a.window, len(a.columns), a.fitted),
                DecisionStream(a, summary, a.name in ruled),
                stream_drift(a, settings.drift, kept(drift_key(name, a)), exact=exact),
            )
            for a in plan.answerers
            if matches(a.streams, name)
        ]
        self._watches: list[tuple[Feed, DetectorPlan, StreamDetector]] = [
            (
                self._feed(w.columns, w.rate),
                w,
                StreamDetector(w, kept(watch_key(name, w)), exact=exact),
            )
            for w in plan.watched
            if matches(w.streams, name)
        ]
        self._rulers: list[tuple[Feed | None, RuleRunner]] = [
            (self._feed(rule.columns, rule.rate) if rule.columns else None, RuleRunner(rule, commands))
            for rule in rules
        ]
        self._resuming = StreamCheckpoint(kept(stream_key(name)), self._timeline, exact=exact)
        self._ends = False
        self.arrived = time.monotonic()
        self.last = math.nan
        self.silent, self._notice = False, ""
        self.wall: float | None = None
        self.newest_wall: float | None = None
        self._begin()

    @property
    def busy(self) -> bool:
        """Whether anything follows this stream."""
        return bool(self.feeds)

    def take(self, packet: Packet, arrived: float) -> None:
        """Take rows; what they complete is then in `asked`."""
        if len(packet.values):
            self.arrived = arrived
            self.wall = packet.wall if packet.wall is not None else self.wall
            self.newest_wall = self.wall
        elif packet.notice in ("", self._notice):
            return  # the source says again what it said when no row had come since
        self._notice = packet.notice
        if self._remembered is not None:
            self._resuming.seen(packet, self.feeds.values(), self.units, self._ruling)
        for feed in self.feeds.values():
            self._take(feed, *feed.push(packet))

    def flush(self) -> None:
        """Take what is still held back; the next `finish` is the last one."""
        self._ends = True
        for feed in self.feeds.values():
            self._take(feed, *feed.flush())

    def keep(self, *, whole: bool) -> dict[str, SavedState]:
        """Return what is known of the stream so far, by name; without rows that wait where a hole follows them."""
        kept = self._resuming.keep(self.last, self.feeds.values(), self.units, self._ruling, whole=whole)
        states = {stream_key(self.name): kept}
        states |= {
            drift_key(self.name, unit.answerer): unit.drift.keep() for unit in self.units if unit.drift is not None
        }
        states |= {watch_key(self.name, watched): watch.keep() for _, watched, watch in self._watches}
        return {key: kept for key, kept in states.items() if kept is not None}

    def report(self, health: Health) -> None:
        """Take a problem of the stream that the agent found; `finish` returns its event."""
        self._health[health.kind, health.text, health.time] = health

    def finish(self) -> tuple[list[_TimedEvent], list[tuple[Feed, Ready]], list[tuple[Unit, StreamAnswer]]]:
        """Return what came of everything that was taken since the last call, once `asked` was answered.

        Returns:
            Events in order, with their time and rank; the rows; and alarms of packages.
        """
        events: list[_TimedEvent] = []
        seen: dict[str, list[StreamAnswer]] = {}
        alarms: list[tuple[Unit, StreamAnswer]] = []
        for pending_samples in self.pending:
            self._decisions(pending_samples, seen, events, alarms)
        for unit in self.units:
            if unit.drift is not None:
                # Those of a recording that fill no block say nothing any more.
                self._drifts += unit.drift.look(everything=self._ends and not self._recorded)
        health = sorted(self._health.values(), key=lambda entry: entry.time)
        events += [(entry.time, _HEALTH, health_event(entry)) for entry in health]
        events += [(event.time, _ANOMALY, event) for event in self._drifts]
        for odd in self._odd:
            detail = {"channel": odd.channel, "detector": odd.detector}
            event = Event(kind="anomaly", time=odd.time, label=odd.channel, score=odd.score, detail=detail)
            events.append((odd.time, _ANOMALY, event))
        for feed, ruler in self._rulers:
            rows = [ready for of, ready in self._rows if of is feed]
            steps = ruler.take(rows, seen.get(ruler.rule.package, ()), self._odd, health)
            events += [(moment, _STATE, event) for moment, event in steps]
        rows_taken = self._rows
        self._begin()
        events.sort(key=lambda entry: entry[:2])
        return events, rows_taken, alarms

    def tick(self, moment: float) -> list[_TimedEvent]:
        """Return what time-outs and watchdogs of tables do while time goes on without rows."""
        return [(at, _STATE, event) for _, ruler in self._rulers for at, event in ruler.tick(moment)]

    def summaries(self) -> list[_TimedEvent]:
        """Return the summaries of stretches that are not over yet."""
        if math.isnan(self.last):
            return []
        units = [unit for unit in self.units if unit.judge.tally.windows]
        return [self._summary(unit, self.last, unit.judge.tally.detail(self.last)) for unit in units]

    @property
    def _ruling(self) -> list[RuleRunner]:
        return [ruler for _, ruler in self._rulers]

    def _begin(self) -> None:
        self.pending: list[PendingSamples] = []
        self.wall = None
        self._health: dict[tuple[str, str, float], Health] = {}
        self._odd: list[Anomaly] = []
        self._drifts: list[Event] = []
        self._rows: list[tuple[Feed, Ready]] = []

    def _feed(self, columns: tuple[str, ...], rate: float | None) -> Feed:
        key = (columns, rate)
        if key not in self.feeds:
            self.feeds[key] = Feed(columns, [self._plan.places[name] for name in columns], rate, self._timeline)
        return self.feeds[key]

    def _take(self, feed: Feed, blocks: Sequence[Ready], health: Sequence[Health]) -> None:
        for problem in health:
            self.report(problem)
        for ready in blocks:
            self._rows.append((feed, ready))
            newest = float(ready.time[-1])
            self.last = newest if math.isnan(self.last) else max(self.last, newest)
            for of, _, watch in self._watches:
                if of is feed:
                    self._odd += watch.push(ready)
            for unit in self.units:
                if unit.feed is not feed:
                    continue
                if (cut := unit.cutter.push(ready)) is not None:
                    self.pending.append(PendingSamples(unit, cut))
                if unit.drift is not None:
                    unit.drift.push(ready)

    def _decisions(
        self,
        pending_samples: PendingSamples,
        seen: dict[str, list[StreamAnswer]],
        events: list[_TimedEvent],
        alarms: list[tuple[Unit, StreamAnswer]],
    ) -> None:
        unit = pending_samples.unit
        moment = float(pending_samples.cut.times[-1])
        if pending_samples.answered is None:
            unit.judge.gap()
            text = f"model: {unit.answerer.name} does not respond: {pending_samples.failed}"
            self.report(Health(time=moment, kind="model", text=text))
            return
        answers, health, summaries = unit.judge.take(self._gated(unit, pending_samples.answered))
        for sick in health:
            self.report(sick)
        if unit.drift is not None:
            unit.drift.answered(pending_samples.cut.times, pending_samples.answered.answers.confidence)
        seen.setdefault(unit.answerer.name, []).extend(answers)
        events += [self._summary(unit, at, detail) for at, detail in summaries]
        for answer in answers:
            if answer.decided:
                detail: dict[str, Any] = {"package": unit.answerer.name}
                if answer.places:
                    detail["places"] = [list(point) for point in answer.places]
                kinds = ("decision", "alarm") if answer.alarm else ("decision",)
                for kind in kinds:
                    event = Event(kind=kind, time=answer.time, label=answer.decided, score=answer.score, detail=detail)  # type: ignore[arg-type]
                    events.append((answer.time, _DECISION, event))
            if answer.alarm:
                alarms.append((unit, answer))

    def _gated(self, unit: Unit, answered: Answered) -> Answered:
        """Return the answers, those to samples that a gate refuses as of a sensor that is not well."""
        gates = [watch for _, watched, watch in self._watches if watched.gate]
        if not gates:
            return answered
        window, rate = unit.answerer.window, unit.answerer.rate
        lasts = window.samples / rate if window is not None and rate else 0.0
        ends = answered.cut.times.tolist()
        refused = np.array([any(gate.refuses(end - lasts, end) for gate in gates) for end in ends], np.bool_)
        return answered._replace(cut=msgspec.structs.replace(answered.cut, healthy=answered.cut.healthy & ~refused))

    def _summary(self, unit: Unit, moment: float, detail: dict[str, Any]) -> _TimedEvent:
        detail = {"package": unit.answerer.name, **detail}
        if unit.drift is not None and (sketch := unit.drift.sketch()):
            detail["sketch"] = sketch
        return moment, _SUMMARY, Event(kind="summary", time=moment, label=unit.answerer.name, detail=detail)


def health_event(health: Health) -> Event:
    """Return what is not well, as an event."""
    # What a source says may quote what it read: 'notice' is no key that may leave.
    detail: dict[str, Any] = {"notice" if health.kind in _OWN_WORDS else "reason": health.text}
    if health.channel:
        detail["channel"] = health.channel
    if health.amount:
        detail["amount"] = health.amount
    return Event(kind="health", time=health.time, label=health.kind, detail=detail)
