"""Where a stream's timeline, windows, decisions and tables were when the agent stopped, and going on from there.

Where the source goes on at its place, or the next row follows the last one as if nothing had been, all of it goes on
and the events are those of an agent that never stopped. Behind a hole, what rests on rows in a row starts over;
decisions, refractory times and states of tables stay, their time-outs and watchdogs wait for all of their time again,
and they get the event `gap`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import msgspec
import numpy as np

from edgewright.core.clocks.units import GAP
from edgewright.core.records.device import Packet
from edgewright.device.agent.checkpoint import SavedState, decoded, encoded, goes_on, seal
from edgewright.device.timeline import TimelineConfig

if TYPE_CHECKING:
    from edgewright.device.agent.feed import Feed, WindowCutter
    from edgewright.device.agent.packages import Answerer
    from edgewright.device.agent.rules import RuleRunner
    from edgewright.device.agent.stream_decisions import DecisionStream
    from edgewright.device.agent.stream_drift import StreamDrift

# What a state raises that does not fit, although its name says that it does.
_MISFIT = (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError)


class Unit(msgspec.Struct, frozen=True):
    """One package on one stream."""

    answerer: Answerer
    feed: Feed
    cutter: WindowCutter
    judge: DecisionStream
    drift: StreamDrift | None


class StreamCheckpoint:
    """The times of one stream's rows, and all that goes on with them.

    Args:
        kept: of this stream when the agent last stopped; None where there was none.
        config: of the timelines.
        exact: whether the rows that come are those behind `kept`, whatever their times are.
    """

    def __init__(self, kept: SavedState | None, config: TimelineConfig, *, exact: bool = False) -> None:
        self._kept, self._config, self._exact = kept, config, exact
        self._newest = self._step = math.nan
        self._rows = False

    def seen(
        self, packet: Packet, feeds: Collection[Feed], units: Sequence[Unit], rulers: Sequence[RuleRunner]
    ) -> None:
        """Take the times of rows before they are taken; with the first of them everything new goes on."""
        times = packet.time[np.isfinite(packet.time)]
        if self._kept is not None and len(packet.values):
            kept, self._kept = self._kept, None
            first = float(times[0]) if len(times) and math.isfinite(packet.time[0]) else math.nan
            # Where that fails nothing was changed, and everything starts over.
            with suppress(*_MISFIT):
                self._resume(kept, first, feeds, units, rulers)
        self._rows |= len(packet.values) > 0
        for time in times[-2:].tolist():
            self._step, self._newest = time - self._newest, time

    def keep(
        self, last: float, feeds: Collection[Feed], units: Sequence[Unit], rulers: Sequence[RuleRunner], *, whole: bool
    ) -> SavedState | None:
        """All of it now; what was kept before where no row has come since.

        Args:
            last: time of the newest row that was ready, in seconds of the stream.
            feeds: of the stream.
            units: of the stream.
            rulers: of the stream.
            whole: whether the next row may follow the last one; else rows that wait for it are left out.
        """
        if not self._rows:
            return self._kept
        parts: dict[str, Any] = {self._feed(feed): state_of(feed) for feed in feeds if whole}
        for unit in units:
            cutter = {"cutter": state_of(unit.cutter)} if whole else {}
            parts[_unit(unit.answerer)] = {"judge": state_of(unit.judge), **cutter}
        parts |= {_ruler(ruler, units): state_of(ruler) for ruler in rulers}
        return SavedState(last, encoded({"newest": self._newest, "step": self._step, "parts": parts}))

    def _resume(
        self,
        kept: SavedState,
        first: float,
        feeds: Collection[Feed],
        units: Sequence[Unit],
        rulers: Sequence[RuleRunner],
    ) -> None:
        state = decoded(kept.state)
        parts, away, step = state["parts"], first - state["newest"], state["step"]
        follows = {
            id(feed): self._feed(feed) in parts and (self._exact or self._no_hole(feed, away, step)) for feed in feeds
        }
        if not any(follows.values()) and not goes_on(kept, first):
            return
        snapshot: list[Part] = []
        for feed in feeds:
            if follows[id(feed)]:
                snapshot += prepared(feed, parts[self._feed(feed)])
        at_work = [unit for unit in units if _unit(unit.answerer) in parts]
        for unit in at_work:
            snapshot += prepared(unit.judge, parts[_unit(unit.answerer)]["judge"])
            if follows[id(unit.feed)]:
                snapshot += prepared(unit.cutter, parts[_unit(unit.answerer)]["cutter"])
        tables = [ruler for ruler in rulers if _ruler(ruler, units) in parts]
        for ruler in tables:
            snapshot += prepared(ruler, parts[_ruler(ruler, units)])
        go_on(snapshot)
        if all(follows.values()):
            self._newest, self._step = state["newest"], step
            return
        for unit in at_work:
            if not follows[id(unit.feed)]:
                unit.judge.gap()
        for ruler in tables:
            ruler.machine.paused(first)

    def _no_hole(self, feed: Feed, away: float, step: float) -> bool:
        """Whether a row so long after the last one is the next one, or behind so few lost ones that they are filled."""
        if feed.rate is None:
            return 0 < away <= GAP * step
        return 0 < away * feed.rate < 1.5 + max(1, round(self._config.fill * feed.rate))

    def _feed(self, feed: Feed) -> str:
        return seal("feed", feed.columns, feed.rate, self._config)


def _unit(answerer: Answerer) -> str:
    package = answerer.predictor.package.sha256
    return seal("unit", answerer.name, package, answerer.columns, answerer.rate, answerer.decision)


def _ruler(ruler: RuleRunner, units: Sequence[Unit]) -> str:
    rule = ruler.rule
    seen = [_unit(unit.answerer) for unit in units if unit.answerer.name == rule.package]
    return seal("rule", rule.checked.table, rule.columns, rule.rate, seen)


Part = tuple[Any, str, Any]
"""An attribute of something that is to be set."""


class Resumable(Protocol):
    """Something whose attributes `KEPT` are all that it remembers; parts that are resumable themselves included.

    `ADDED`, where it has them, are those that states of older versions lack, with the name of what they begin with in
    such a state; empty where they begin anew.
    """

    @property
    def KEPT(self) -> tuple[str, ...]:  # noqa: N802 - a constant of each class
        """Names of attributes."""
        raise NotImplementedError


def state_of(thing: Resumable) -> dict[str, Any]:
    """Return what it remembers now; arrays are not copied."""
    return {name: _plain(getattr(thing, name)) for name in thing.KEPT}


def prepared(thing: Resumable, state: dict[str, Any]) -> list[Part]:
    """Return what `go_on` has to set for a new thing to go on from a state; nothing is changed yet.

    Raises:
        KeyError, TypeError, ValueError: the state of something else.
    """
    parts: list[Part] = []
    for name in thing.KEPT:
        kept = name if name in state else getattr(thing, "ADDED", {}).get(name, name)
        if not kept:
            continue
        fresh, value = getattr(thing, name), state[kept]
        if _resumable(fresh):
            parts += prepared(fresh, value)
        elif isinstance(fresh, dict) and fresh and all(_resumable(part) for part in fresh.values()):
            for part, inner in zip(fresh.values(), value, strict=True):
                parts += prepared(part, inner)
        else:
            parts.append((thing, name, _fitting(fresh, value, name)))
    return parts


def go_on(parts: list[Part]) -> None:
    """Set what was prepared: of several things, all or nothing."""
    for thing, name, value in parts:
        setattr(thing, name, value)


def _resumable(value: Any) -> TypeGuard[Resumable]:  # noqa: ANN401 - an attribute of any type
    return hasattr(value, "KEPT")


def _plain(value: Any) -> Any:  # noqa: ANN401 - an attribute of any type
    if _resumable(value):
        return state_of(value)
    if isinstance(value, dict) and value and all(_resumable(part) for part in value.values()):
        return [state_of(part) for part in value.values()]
    return list(value) if isinstance(value, deque) else value


def _fitting(fresh: Any, value: Any, name: str) -> Any:  # noqa: ANN401 - an attribute of any type
    """Return the value as the attribute takes it."""
    if fresh is None:
        return value
    if isinstance(fresh, deque | list) and isinstance(value, list):
        entries = [tuple(entry) if isinstance(entry, list) else entry for entry in value]
        return deque(entries, fresh.maxlen) if isinstance(fresh, deque) else entries
    if isinstance(fresh, np.ndarray):
        if not isinstance(value, np.ndarray) or (value.dtype, value.shape[1:]) != (fresh.dtype, fresh.shape[1:]):
            raise TypeError(name)
        return value
    if isinstance(fresh, float) and isinstance(value, float | int):
        return float(value)
    if not isinstance(value, type(fresh)):
        raise TypeError(name)
    return value
