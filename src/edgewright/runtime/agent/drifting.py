"""Drift of one stream against what its package was trained on, fed by the second and not by the row."""

from __future__ import annotations

import base64

import numpy as np

from edgewright.runtime.agent.answering import Answerer
from edgewright.runtime.drift.sketch import SKETCH_BYTES
from edgewright.runtime.drift.watch import DriftConfig, DriftWatch
from edgewright.runtime.ready import Ready
from edgewright.schema.data import Floats
from edgewright.schema.device import Event
from edgewright.schema.device_config import DriftSettings

_ROWS = 64  # rows one by one cost twenty times as much


class Drifting:
    """Rows on their way to a `DriftWatch`.

    Args:
        answerer: the package whose reference counts.
        settings: with a rhythm above 0.
    """

    def __init__(self, answerer: Answerer, settings: DriftSettings) -> None:
        config = DriftConfig(rhythm=settings.rhythm, false_alarms=settings.false_alarms)
        self._watch = DriftWatch(answerer.manifest.reference, answerer.rate, config)
        self._package, self._sync = answerer.name, settings.sync
        self._held: list[Ready] = []
        self._rows = 0

    def push(self, ready: Ready) -> list[Event]:
        """Takes rows; gives an event for each channel that has begun to drift."""
        self._held.append(ready)
        self._rows += len(ready.values)
        if self._rows < _ROWS:
            return []
        values = np.concatenate([block.values for block in self._held])
        times = np.concatenate([block.time for block in self._held])
        self._held, self._rows = [], 0
        events = self._watch.push(values, times)
        for event in events:
            event.detail["package"] = self._package
        return events

    def answered(self, confidence: Floats) -> None:
        """Takes the confidence of answers, shape (n,)."""
        for value in confidence.tolist():
            self._watch.answered(value)

    def sketch(self) -> list[str]:
        """The sketch of each channel in base64, for a summary; none unless the settings say so.

        A sketch holds the smallest and the largest value: it leaves by will only.
        """
        if not self._sync:
            return []
        whole = self._watch.summary()
        parts = [whole[at : at + SKETCH_BYTES] for at in range(0, len(whole), SKETCH_BYTES)]
        return [base64.b64encode(part).decode("ascii") for part in parts]


def drifting(answerer: Answerer, settings: DriftSettings) -> Drifting | None:
    """A watch where the settings give a rhythm and the package a reference."""
    if not settings.rhythm or not answerer.manifest.reference:
        return None
    return Drifting(answerer, settings)
