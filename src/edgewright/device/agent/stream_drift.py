"""Drift of one stream against what its package was trained on, fed by the second and not by the row."""

from __future__ import annotations

import base64
import math
from collections import deque

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import EdgewrightError
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Event
from edgewright.device.agent.checkpoint import SavedState, decoded, encoded, goes_on
from edgewright.device.agent.packages import Answerer
from edgewright.device.agent.plan import DetectorPlan
from edgewright.device.agent.rules import Anomaly
from edgewright.device.configuration import DriftSettings
from edgewright.device.timeline import Ready
from edgewright.monitor.detector_stream import Watch
from edgewright.monitor.drift.change_detection import SKETCH_BYTES
from edgewright.monitor.drift.stream_monitor import DriftConfig, watch_of

# What a state raises that does not fit its detector, although its name says that it does.
_MISFIT = (EdgewrightError, msgspec.MsgspecError, ValueError, TypeError, KeyError, IndexError, AttributeError)


# Judgements of a gate that are kept: more than a block of rows and a window make.
_GATED = 20_000
# Of them, those that go on after a restart.
_GATED_KEPT = 500


class StreamDetector:
    """Rows on their way to a `Watch`.

    Args:
        watched: the detector.
        kept: its state on this stream when the agent last stopped; None where there was none.
        exact: whether the rows that come are those behind `kept`, whatever their times are.
    """

    def __init__(self, watched: DetectorPlan, kept: SavedState | None, *, exact: bool = False) -> None:
        self._watched, self._kept, self._exact = watched, kept, exact
        self._watch = Watch(watched.file)
        self._time = math.nan
        # Of a gate: times of its newest judgements, and whether each was odd.
        self._verdicts: deque[tuple[float, bool]] = deque(maxlen=_GATED)

    def refuses(self, start: float, end: float) -> bool:
        """Return whether rows from after `start` up to `end` are odd: a judgement in between, or else the last before.

        What is judged later is left out, so that the same rows give the same answers however they come.
        """
        within = False
        for time, odd in reversed(self._verdicts):
            if time > end:
                continue
            if time <= start:
                return odd and not within
            if odd:
                return True
            within = True
        return False

    def push(self, ready: Ready) -> list[Anomaly]:
        """Take rows; give those that begin an alarm."""
        if self._kept is not None:
            if self._exact or goes_on(self._kept, float(ready.time[0])):
                self._resume(self._kept)
            self._kept = None
        self._time = float(ready.time[-1])
        columns, name = self._watched.columns, self._watched.name
        verdicts = self._watch.push(ready.values, ready.time)
        if self._watched.gate:
            self._verdicts.extend((verdict.time, verdict.odd) for verdict in verdicts)
        return [
            Anomaly(verdict.time, verdict.score, columns[verdict.channel] if verdict.channel >= 0 else "", name)
            for verdict in verdicts
            if verdict.alarm
        ]

    def keep(self) -> SavedState | None:
        """Return its state now; what was kept before where no row has come since."""
        if math.isnan(self._time):
            return self._kept
        verdicts = encoded(list(self._verdicts)[-_GATED_KEPT:]) if self._verdicts else b""
        return SavedState(self._time, encoded(self._watch.state()), verdicts)

    def _resume(self, kept: SavedState) -> None:
        try:
            self._watch = Watch(self._watched.file, decoded(kept.state))
            if self._exact and kept.rest:
                self._verdicts.extend((float(time), bool(odd)) for time, odd in decoded(kept.rest))
        except _MISFIT:
            self._watch = Watch(self._watched.file)


_ROWS = 64  # rows one by one cost twenty times as much


class StreamDrift:
    """Rows on their way to a `DriftWatch`.

    Args:
        answerer: the package whose reference counts.
        settings: with a rhythm above 0.
        kept: the state on this stream when the agent last stopped; None where there was none.
        exact: whether the rows that come are those behind `kept`, whatever their times are.
    """

    def __init__(
        self, answerer: Answerer, settings: DriftSettings, kept: SavedState | None = None, *, exact: bool = False
    ) -> None:
        self._exact = exact
        self._config = DriftConfig(rhythm=settings.rhythm, false_alarms=settings.false_alarms)
        self._answerer, self._kept, self._time = answerer, kept, math.nan
        self._watch = watch_of(answerer.manifest, self._config, answerer.rate)
        self._package, self._sync = answerer.name, settings.sync
        self._batches: list[Ready] = []
        self._answers: deque[tuple[float, float]] = deque()
        self._rows = 0

    def push(self, ready: Ready) -> None:
        """Take rows, which wait for others and for the answers to them."""
        if self._kept is not None:
            if self._exact or goes_on(self._kept, float(ready.time[0])):
                self._resume(self._kept)
            self._kept = None
        self._batches.append(ready)
        self._rows += len(ready.values)

    def answered(self, times: NDArray[np.float64], confidence: Floats) -> None:
        """Take the confidence of answers and the times of their last rows, shape (n,) each."""
        self._answers.extend(zip(times.tolist(), confidence.tolist(), strict=True))

    def look(self, *, everything: bool) -> list[Event]:
        """Look at the rows that wait, once there are enough of them or all that are left are wanted.

        Returns:
            An event for each channel, and for the confidence, that has begun to drift.
        """
        if not self._batches or (self._rows < _ROWS and not everything):
            return []
        values = np.concatenate([block.values for block in self._batches])
        times = np.concatenate([block.time for block in self._batches])
        self._batches, self._rows, self._time = [], 0, float(times[-1])
        events: list[Event] = []
        start = 0
        while start < len(values):
            # An answer counts in the block of its last row, however many rows came together.
            end = min(len(values), start + self._watch.left)
            while self._answers and self._answers[0][0] <= times[end - 1]:
                self._watch.answered(self._answers.popleft()[1])
            events += self._watch.push(values[start:end], times[start:end])
            start = end
        for event in events:
            event.detail["package"] = self._package
        return events

    def keep(self) -> SavedState | None:
        """Return the state after the rows that were looked at, and what waits; what was kept before where none came."""
        if math.isnan(self._time) and not self._batches:
            return self._kept
        rest = b""
        if self._batches or self._answers:
            values = np.concatenate([block.values for block in self._batches]) if self._batches else None
            times = np.concatenate([block.time for block in self._batches]) if self._batches else None
            rest = encoded((values, times, list(self._answers)))
        return SavedState(self._time, self._watch.state(), rest)

    def sketch(self) -> list[str]:
        """Return the sketch of each channel in base64, for a summary; none unless the settings say so.

        A sketch holds the smallest and the largest value: it leaves by will only.
        """
        if not self._sync:
            return []
        whole = self._watch.summary()
        parts = [whole[at : at + SKETCH_BYTES] for at in range(0, len(whole), SKETCH_BYTES)]
        return [base64.b64encode(part).decode("ascii") for part in parts]

    def _resume(self, kept: SavedState) -> None:
        try:
            self._watch.restore(kept.state)
            self._time = kept.time
            if not kept.rest:
                return
            values, times, answers = decoded(kept.rest)
            self._answers.extend((float(time), float(confidence)) for time, confidence in answers)
            if values is not None:
                healthy = np.ones(len(times), np.bool_)
                self._batches.append(Ready(values=values, time=times, gap_before=False, healthy=healthy))
                self._rows = len(values)
        except _MISFIT:
            self._watch = watch_of(self._answerer.manifest, self._config, self._answerer.rate)
            self._answers.clear()


def stream_drift(
    answerer: Answerer, settings: DriftSettings, kept: SavedState | None = None, *, exact: bool = False
) -> StreamDrift | None:
    """Return a watch where the settings give a rhythm and the package a reference."""
    if not settings.rhythm or not answerer.manifest.reference:
        return None
    return StreamDrift(answerer, settings, kept, exact=exact)
