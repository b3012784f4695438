"""Drift of one stream against what its package was trained on, fed by the second and not by the row."""

from __future__ import annotations

import base64
import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from edgewright.device.agent.batch_prediction import Answerer
from edgewright.device.agent.checkpoint import Kept, goes_on
from edgewright.device.timeline_settings import Ready
from edgewright.monitor.drift.sketch import SKETCH_BYTES
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch, together
from edgewright.schema.data import Floats
from edgewright.schema.device import Event
from edgewright.schema.device_config import DriftSettings
from edgewright.schema.errors import InputError

_ROWS = 64  # rows one by one cost twenty times as much


class Drifting:
    """Rows on their way to a `DriftWatch`.

    Args:
        answerer: the package whose reference counts.
        settings: with a rhythm above 0.
        kept: the state on this stream when the agent last stopped; None where there was none.
    """

    def __init__(self, answerer: Answerer, settings: DriftSettings, kept: Kept | None = None) -> None:
        self._config = DriftConfig(rhythm=settings.rhythm, false_alarms=settings.false_alarms)
        self._answerer, self._kept, self._time = answerer, kept, math.nan
        self._watch = self._anew()
        self._package, self._sync = answerer.name, settings.sync
        self._held: list[Ready] = []
        self._answers: deque[tuple[float, float]] = deque()
        self._rows = 0

    def push(self, ready: Ready) -> None:
        """Takes rows, which wait for others and for the answers to them."""
        if self._kept is not None:
            if goes_on(self._kept, float(ready.time[0])):
                self._resume(self._kept.state)
            self._kept = None
        self._held.append(ready)
        self._rows += len(ready.values)

    def answered(self, times: NDArray[np.float64], confidence: Floats) -> None:
        """Takes the confidence of answers and the times of their last rows, shape (n,) each."""
        self._answers.extend(zip(times.tolist(), confidence.tolist(), strict=True))

    def look(self, *, everything: bool) -> list[Event]:
        """Looks at the rows that wait, once there are enough of them or all that are left are wanted.

        Returns:
            An event for each channel, and for the confidence, that has begun to drift.
        """
        if not self._held or (self._rows < _ROWS and not everything):
            return []
        values = np.concatenate([block.values for block in self._held])
        times = np.concatenate([block.time for block in self._held])
        self._held, self._rows, self._time = [], 0, float(times[-1])
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

    def keep(self) -> Kept | None:
        """The state after the rows that were looked at; what was kept before where there were none."""
        return self._kept if math.isnan(self._time) else Kept(self._time, self._watch.state())

    def sketch(self) -> list[str]:
        """The sketch of each channel in base64, for a summary; none unless the settings say so.

        A sketch holds the smallest and the largest value: it leaves by will only.
        """
        if not self._sync:
            return []
        whole = self._watch.summary()
        parts = [whole[at : at + SKETCH_BYTES] for at in range(0, len(whole), SKETCH_BYTES)]
        return [base64.b64encode(part).decode("ascii") for part in parts]

    def _anew(self) -> DriftWatch:
        manifest = self._answerer.manifest
        return DriftWatch(manifest.reference, self._answerer.rate, self._config, together(manifest, self._config))

    def _resume(self, state: bytes) -> None:
        try:
            self._watch.restore(state)
        except InputError:
            self._watch = self._anew()


def drifting(answerer: Answerer, settings: DriftSettings, kept: Kept | None = None) -> Drifting | None:
    """A watch where the settings give a rhythm and the package a reference."""
    if not settings.rhythm or not answerer.manifest.reference:
        return None
    return Drifting(answerer, settings, kept)
