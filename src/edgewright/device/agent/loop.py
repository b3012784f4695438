"""The loop: rows, windows, answers, decisions, rules, store; one thread, and nothing in it grows."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records.device import Event, Packet
from edgewright.device.agent.checkpoint import MOST_STARTS, Checkpoint, Remembered, SavedState
from edgewright.device.agent.learned import LearnedPackage, learned_packages
from edgewright.device.agent.packages import Answerer
from edgewright.device.agent.plan import Plan
from edgewright.device.agent.process_status import Notices, RawRows, Report, StatusReporter, StoreWriter, VitalsReporter
from edgewright.device.agent.rules import Commands
from edgewright.device.agent.settings import Configured
from edgewright.device.agent.stream import StreamState, health_event
from edgewright.device.agent.systemd import Supervisor
from edgewright.device.sources import Stream
from edgewright.device.store.records import SourcePlace
from edgewright.device.store.store import Store
from edgewright.device.timeline import WallClock
from edgewright.monitor.sensor_health import Health

_WAIT = 0.2  # seconds that one look at the source may take: so soon a signal is heard
_SLOW_AGAIN = 60.0
_COMMANDS_END = 5.0  # seconds that programs of rules have to end by themselves when the agent does
_MAX_WAIT_S = 1.0  # seconds that what comes of rows may wait in memory for the rows behind them
_SAVE = 60.0  # seconds between two saves of streams of which nothing comes
_CAREFUL = 60.0  # seconds after a start that follows a kill in which every turn is saved: what kills again is found
_NAMES = 1000  # streams that nothing follows and that were told of


@dataclass
class _Pending:
    """What waits in memory for the next commit.

    Attributes:
        events, rows: not stored yet.
        changed: streams whose state changed since the last checkpoint, by name.
        gone: states of streams that were evicted.
        urgent: an event may not wait.
        moved: the source was read since the last checkpoint.
        torn: packets were read and are not processed completely.
    """

    events: list[Event] = field(default_factory=list)
    rows: list[RawRows] = field(default_factory=list)
    changed: dict[str, StreamState] = field(default_factory=dict)
    gone: dict[str, SavedState] = field(default_factory=dict)
    urgent: bool = False
    moved: bool = False
    torn: bool = False


@dataclass
class _StartRecord:
    """Protection against rows that kill the agent at every start.

    Attributes:
        saved_at: time of the last checkpoint, monotonic seconds.
        starts: starts in a row from the same position.
        is_saved: a checkpoint was written since this start.
        careful_until: until then every iteration is saved, monotonic seconds.
        leaves_out: the next rows are skipped, because they killed earlier starts.
    """

    saved_at: float
    starts: int = 0
    is_saved: bool = False
    careful_until: float = -math.inf
    leaves_out: bool = False


class Agent:
    """The agent: its source, streams, rules and way into the store.

    Args:
        plan: what to do; its rates are settled.
        configured: settings.
        source: open.
        name: of the source: its kind and what identifies it.
        keeper: way into the store.
        recorded: whether rows are those of a recording, played as fast as they can be read: then nothing that depends
            on when this runs or how fast becomes an event, and the same rows give the same events.
    """

    def __init__(
        self, plan: Plan, configured: Configured, source: Stream, name: str, keeper: StoreWriter, *, recorded: bool
    ) -> None:
        self.report = Report()
        self._plan, self._configured, self._source, self._keeper = plan, configured, source, keeper
        self._config = configured.settings.agent
        self._live = not recorded
        self._commands = Commands(configured.settings.commands, run=not recorded)
        self._streams: OrderedDict[str, StreamState] = OrderedDict()
        self._unknown: set[str] = set()
        self._notices = Notices(configured.timeline.report)
        self._clock, self._supervisor = WallClock(), Supervisor()
        self._learned = self._learning(keeper.store)
        self._reporter = StatusReporter(self._config, keeper, self._commands, self.report)
        self._pulse = VitalsReporter(self._supervisor, plan.answerers)
        self._now = self._clock.now()
        self._began = time.monotonic()
        self._slow = -math.inf
        self._pending = _Pending()
        # Where the rows go on, in words; empty where they begin.
        self.resumed = ""
        self._start = _StartRecord(saved_at=self._began)
        # A recording that cannot tell its place is played from its start: nothing goes on.
        goes_on = self._live or source.position() is not None
        self._remembered = Checkpoint(keeper.store, name, recorded=recorded) if goes_on else None
        if self._remembered is not None and self._remembered.position is not None:
            self._resume(self._remembered, self._remembered.position)

    def run(self, stop: Callable[[], bool]) -> Report:
        """Go on until the source ends or `stop` says so; then everything is stored.

        Raises:
            InputError: the source cannot go on; what was measured before is stored.
        """
        self._supervisor.say("READY=1")
        started = self._reporter.started(self._plan, self._configured.kept)
        self._keep([self._stamped(event, "", None, 0.0) for event in started])
        self._keep([self._stamped(event, "", None, 0.0) for event in self._look_at_learned(time.monotonic())])
        try:
            while not stop() and not self._source.ended():
                self.turn(_WAIT)
        finally:
            self._supervisor.say("STOPPING=1")
            self._end()
        return self.report

    def _resume(self, remembered: Checkpoint, position: SourcePlace) -> None:
        """Take up the place of the last run."""
        if position.position is None:
            return
        with suppress(ValueError, TypeError, KeyError, AttributeError, IndexError):  # one that another version gave
            remembered.exact = self._source.resume(position.position)
        self.resumed = position.reached if remembered.exact else ""
        if not position.ended:
            self._start.careful_until = self._began + _CAREFUL
        if position.starts >= MOST_STARTS:
            self._start.leaves_out, remembered.exact = True, False
            remembered.forget()
        self._start.starts = position.starts + 1
        self._keeper.now(
            remembered.saved(
                {}, position.position, self._source, done=_nothing, at_once=True, starts=self._start.starts
            )
        )

    def turn(self, wait: float) -> None:
        """Read the source once and do all that follows from it."""
        packets = self._source.read(wait)
        self._pending.torn = True
        arrived = time.monotonic()
        if self._live:
            self._now = self._clock.now()
        touched: OrderedDict[str, StreamState] = OrderedDict()
        events: list[Event] = []
        if not packets or any(len(packet.values) for packet in packets):
            self._start.starts = 0
        if self._start.leaves_out and packets:
            packets = self._leave_out(packets, events)
        for came in packets:
            packet = self._notices.passed(came, arrived) if self._live else came
            state = self._of(packet, events)
            if state is not None:
                self._take(state, packet, arrived, touched)
        self._answer(list(touched.values()), arrived)
        if self._live:
            self._time_goes_on(arrived, events)
        self._keep(events)
        self._pending.moved |= bool(packets)
        self._store(arrived)
        self._pending.torn = False
        self._keeper.tick()
        self._supervisor.alive()
        self._pulse.beat(arrived, bool(packets), self.report.windows, self.report.latency)

    def _take(self, state: StreamState, packet: Packet, arrived: float, touched: OrderedDict[str, StreamState]) -> None:
        touched[state.name] = self._pending.changed[state.name] = state
        if state.silent and len(packet.values):
            state.silent = False
            text = f"returned after {arrived - state.arrived:.3g} s"
            state.report(Health(time=_moment(packet), kind="back", text=text, amount=arrived - state.arrived))
        try:
            state.take(packet, arrived)
        except InputError as error:
            state.report(Health(time=_moment(packet), kind="source", text=str(error)))
        self.report.rows += len(packet.values)

    def _of(self, packet: Packet, events: list[Event]) -> StreamState | None:
        """Return the stream of a packet, created where it is new; None where nothing follows it."""
        name = packet.stream
        state = self._streams.get(name)
        if state is not None:
            self._streams.move_to_end(name)
            return state
        if not len(packet.values):
            if packet.notice:
                event = health_event(Health(time=0.0, kind="source", text=packet.notice))
                events.append(self._stamped(event, name, None, 0.0))
            return None
        state = StreamState(
            name, self._plan, self._configured, self._commands, self._remembered, recorded=not self._live
        )
        if not state.busy:
            if name not in self._unknown and len(self._unknown) < _NAMES:
                self._unknown.add(name)
                text = "nothing follows this stream"
                event = health_event(Health(time=_moment(packet), kind="unknown", text=text))
                events.append(self._stamped(event, name, packet.wall, 0.0))
            return None
        if len(self._streams) >= self._config.streams:
            old, gone = self._streams.popitem(last=False)
            self._pending.gone |= gone.keep(whole=False)
            self._pending.changed.pop(old, None)
            timed = gone.summaries()
            text = f"forgotten: more than {self._config.streams} streams"
            if text := self._notices.take("", text, time.monotonic()) if self._live else text:
                timed.append((gone.last, 0, health_event(Health(time=gone.last, kind="evicted", text=text))))
            wall = self._ended_at(gone)
            events += [self._stamped(event, old, wall, gone.last - moment) for moment, _, event in timed]
        self._streams[name] = state
        return state

    def _answer(self, states: Sequence[StreamState], arrived: float) -> None:
        """Answer what became ready, all streams of a package in one batch, and store what comes of it."""
        for answerer in self._plan.answerers:
            pending_samples_list = [
                pending for state in states for pending in state.pending if pending.unit.answerer is answerer
            ]
            if not pending_samples_list:
                continue
            try:
                answered = answerer.answer([pending.cut for pending in pending_samples_list])
                self._pulse.answered(answered)
                for pending, part in zip(pending_samples_list, answered, strict=True):
                    pending.answered = part
                self._teach(answerer, states)
            except Exception as error:  # noqa: BLE001 - an engine that fails must not end what still works
                for pending in pending_samples_list:
                    pending.failed = type(error).__name__
            count = sum(len(pending.cut.times) for pending in pending_samples_list)
            seconds = time.monotonic() - arrived
            self.report.latency.add(seconds, count)
            self.report.windows += count
            if self.report.first is None:
                self.report.first = time.monotonic() - self._began
            if self._live and seconds > self._config.slow and time.monotonic() - self._slow >= _SLOW_AGAIN:
                self._slow = time.monotonic()
                text = f"engine slow: {answerer.name} took {seconds:.3g} s"
                states[0].report(Health(time=states[0].last, kind="slow", text=text, amount=seconds))
        for state in states:
            self._finish(state)

    def _learning(self, store: Store) -> list[LearnedPackage]:
        """Return the packages whose devices learn; examples are kept, and nothing of encrypted columns is, in clear."""
        refusing = "columns are encrypted, and labelled examples would be kept in clear" if store.config.encrypt else ""
        refusing = refusing if self._live else "a recording is replayed"
        return learned_packages(self._plan.answerers, store.folder, labels=refusing)

    def _look_at_learned(self, now: float) -> list[Event]:
        return [event for learned in self._learned for event in learned.look(now)]

    def _teach(self, answerer: Answerer, states: Sequence[StreamState]) -> None:
        """Give windows to what learns from them."""
        for learned in self._learned if self._live else ():
            if learned.answerer is not answerer:
                continue
            for state in states:
                for pending in state.pending:
                    if pending.unit.answerer is answerer and pending.answered is not None:
                        events = learned.take(state.name, pending.answered)
                        self._keep([self._stamped(event, state.name, None, 0.0) for event in events])

    def _finish(self, state: StreamState) -> None:
        wall, newest = state.wall, state.last
        timed, rows, alarms = state.finish()
        if self._config.keep == "all":
            for feed, ready in rows:
                if ready.values.ndim == 2:  # a store holds no pictures
                    self._pending.rows.append((state.name, feed.columns, ready.time, ready.values))
        elif self._config.keep == "alarm":
            for unit, seen in alarms:
                sample = seen.sample if seen.sample is not None else ()
                if np.ndim(sample) == 3:
                    continue
                values = np.atleast_2d(np.asarray(sample, np.float32).T)
                back = np.arange(len(values) - 1, -1, -1) / (unit.feed.rate or 1.0)
                self._pending.rows.append((state.name, unit.feed.columns, seen.time - back, values))
        self._keep([self._stamped(event, state.name, wall, newest - moment) for moment, _, event in timed])

    def _time_goes_on(self, now: float, events: list[Event]) -> None:
        """Add events of silent streams, of time-outs and watchdogs of tables, of the process and of its clock."""
        for name, state in self._streams.items():
            if math.isnan(state.last):
                continue
            away = now - state.arrived
            timed = state.tick(state.last + away)
            if timed:
                self._pending.changed[name] = state
            if away > self._config.silent and not state.silent:
                state.silent = True
                text = f"silent for {away:.3g} s"
                silence = Health(time=state.last, kind="silent", text=text, amount=away)
                timed.append((state.last, 0, health_event(silence)))
            events += [self._stamped(event, name, None, 0.0) for _, _, event in timed]
        events += [self._stamped(event, "", None, 0.0) for event in self._reporter.look(now, len(self._streams))]
        events += [self._stamped(event, "", None, 0.0) for event in self._look_at_learned(now)]
        moved = self._now.jumped
        if moved:
            text = f"the clock of this device was set by {moved:+.3g} s"
            event = health_event(Health(time=0.0, kind="clock", text=text, amount=moved))
            events.append(self._stamped(event, "", None, 0.0))

    def _leave_out(self, packets: Sequence[Packet], events: list[Event]) -> Sequence[Packet]:
        """Pass over the rows with which the agent ended again and again."""
        rows = sum(len(packet.values) for packet in packets)
        if rows:
            self._start.leaves_out = False
            text = f"{rows} rows were left out: the agent ended at them {MOST_STARTS} times"
            health = Health(time=_moment(packets[0]), kind="source", text=text, amount=float(rows))
            events.append(self._stamped(health_event(health), packets[0].stream, None, 0.0))
        return [packet for packet in packets if not len(packet.values)]

    def _store(self, now: float, *, ended: bool = False) -> None:
        """Store what came of the rows, and with it where the source and its streams are."""
        remembered = None
        pending = self._pending
        if self._remembered is not None:
            limit = _MAX_WAIT_S if pending.events or pending.rows else _SAVE
            awaited, first = self._source.awaited(), not self._start.is_saved
            due = awaited or pending.urgent or now - self._start.saved_at >= limit
            if not (ended or first or due or (pending.moved and now < self._start.careful_until)):
                return
            if ended or first or awaited or pending.moved or pending.changed:
                remembered = self._checkpoint(self._remembered, at_once=awaited or first, ended=ended)
            self._start.saved_at = now
        events, pending.events = pending.events, []
        rows, pending.rows = pending.rows, []
        pending.urgent = False
        self._keeper.put(events, rows, remembered)

    def _checkpoint(self, remembered: Checkpoint, *, at_once: bool, ended: bool) -> Remembered:
        if ended and not self._live and self._source.ended():
            return remembered.over(self._source)
        states, self._pending.gone = self._pending.gone, {}
        position = self._source.position()
        for state in self._pending.changed.values():
            states |= state.keep(whole=ended or position is not None)
        self._pending.changed, self._pending.moved, self._start.is_saved = {}, False, True
        return remembered.saved(
            states, position, self._source, done=self._source.stored, at_once=at_once, ended=ended,
            starts=self._start.starts,
        )  # fmt: skip

    def _ended_at(self, state: StreamState) -> float | None:
        """Return the time of day of a recorded stream's last row; None where what ends now ends at the time of now."""
        return None if self._live else state.newest_wall

    def _stamped(self, event: Event, stream: str, wall: float | None, before: float) -> Event:
        """Return the event with its stream and the time of day, `before` seconds ahead of `wall` or of now."""
        doubt = None
        if wall is None and self._live:
            wall, doubt = self._now.wall, self._now.doubt
        if wall is not None and math.isfinite(before):
            wall -= max(0.0, before)
        if event.kind == "alarm":
            self.report.alarms += 1
        return msgspec.structs.replace(event, stream=stream, wall=wall, doubt=doubt)

    def _keep(self, events: Sequence[Event]) -> None:
        self._pulse.events(events)
        if not self._config.decisions:
            events = [event for event in events if event.kind != "decision"]
        if events:
            self._pending.urgent |= self._keeper.publish_calm(events)
            self._pending.events += events
            self.report.events += len(events)

    def _end(self) -> None:
        """Answer, summarize and store what is still pending.

        Where a turn failed nothing is stored, if the source gives the rows of it again: part of them is in the states.
        """
        if self._pending.torn and self._source.position() is not None:
            self._commands.close(_COMMANDS_END)
            return
        # What a source gives on from its place finds the rows that wait for it in the state.
        waits = self._remembered is not None and not self._source.ended() and self._source.position() is not None
        for state in self._streams.values() if not waits else ():
            state.wall = self._ended_at(state)
            state.flush()
        self._answer(list(self._streams.values()), time.monotonic())
        for state in self._streams.values():
            timed = state.summaries()
            wall = self._ended_at(state)
            self._keep([self._stamped(event, state.name, wall, state.last - moment) for moment, _, event in timed])
        if self._live:
            self._keep([self._stamped(event, "", None, 0.0) for event in self._reporter.summary(len(self._streams))])
        self._pending.changed |= self._streams
        self._store(time.monotonic(), ended=True)
        self._commands.close(_COMMANDS_END)


def _nothing(_position: object) -> None:
    """Nobody waits."""


def _moment(packet: Packet) -> float:
    return float(packet.time[-1]) if len(packet.time) else 0.0
