"""Where a stream's timeline, windows, decisions and tables were when the agent stopped, and going on from there.

Where the source goes on at its place, or the next row follows the last one as if nothing had been, all of it goes on
and the events are those of an agent that never stopped. Behind a hole, what rests on rows in a row starts over;
decisions, refractory times and states of tables stay, their time-outs and watchdogs wait for all of their time again,
and they get the event `gap`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edgewright.core.clocks.rates import GAP
from edgewright.core.snapshot import Part, go_on, prepared, state_of
from edgewright.device.agent.checkpoint import SavedState, decoded, encoded, goes_on, seal
from edgewright.device.timeline import TimelineConfig
from edgewright.schema.device import Packet

if TYPE_CHECKING:
    from edgewright.device.agent.batch_prediction import Answerer
    from edgewright.device.agent.feed import Feed, WindowCutter
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
        found: list[Part] = []
        for feed in feeds:
            if follows[id(feed)]:
                found += prepared(feed, parts[self._feed(feed)])
        at_work = [unit for unit in units if _unit(unit.answerer) in parts]
        for unit in at_work:
            found += prepared(unit.judge, parts[_unit(unit.answerer)]["judge"])
            if follows[id(unit.feed)]:
                found += prepared(unit.cutter, parts[_unit(unit.answerer)]["cutter"])
        tables = [ruler for ruler in rulers if _ruler(ruler, units) in parts]
        for ruler in tables:
            found += prepared(ruler, parts[_ruler(ruler, units)])
        go_on(found)
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
