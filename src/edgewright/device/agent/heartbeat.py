"""How the agent's process is doing, said every few seconds to the one who supervises it, where that one asks for it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import msgspec

from edgewright.device.agent.batch_prediction import Answered, Answerer
from edgewright.device.agent.counters import Latency
from edgewright.device.agent.store_writer import resident
from edgewright.device.agent.systemd import Supervisor
from edgewright.schema.device import Event
from edgewright.schema.fleet_report import Vitals

_ARRIVING = 10.0  # seconds without a row that still count as time with rows
_LABELS, _CHANNELS = 100, 200


class Pulse:
    """Counts since the start.

    Args:
        supervisor: who hears it.
        answerers: packages at work; their columns are the channels that may drift.
        every: seconds between two words; `EDGEWRIGHT_VITALS` when left out, and silent where that is not set.
    """

    def __init__(self, supervisor: Supervisor, answerers: Sequence[Answerer], every: float | None = None) -> None:
        given = os.environ.get("EDGEWRIGHT_VITALS", "") if every is None else str(every)
        self._every = float(given) if given.replace(".", "", 1).isdigit() else 0.0
        self._supervisor = supervisor
        self._channels = sum(len(answerer.columns) for answerer in answerers)
        self._kinds: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._drifting: set[str] = set()
        self._unsure = self._memory = 0
        self._seconds = 0.0
        self._rows = self._last = self._said = -1e9

    def answered(self, found: Sequence[Answered]) -> None:
        """Counts answers."""
        if not self._every:
            return
        for one in found:
            self._unsure += int(one.unsure.sum())
            if one.predictions is None:
                self._classes.update(one.labels[~one.missing].tolist())

    def events(self, events: Sequence[Event]) -> None:
        """Counts events."""
        if not self._every:
            return
        for event in events:
            self._kinds[event.kind] += 1
            if event.kind == "drift" and event.label != "confidence" and len(self._drifting) < _CHANNELS:
                self._drifting.add(event.label)

    def beat(self, now: float, rows: bool, windows: int, latency: Latency) -> None:
        """The loop went round.

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
        if now - self._rows < _ARRIVING and self._last > 0.0:
            self._seconds += min(now - self._last, _ARRIVING)
        self._last = now
        if now - self._said < self._every:
            return
        self._said, self._memory = now, max(self._memory, resident())
        vitals = Vitals(
            seconds=round(self._seconds, 3), windows=windows, unsure=self._unsure, alarms=self._kinds["alarm"],
            anomalies=self._kinds["anomaly"], latency=(latency.quantile(0.5), latency.quantile(0.99)),
            memory=self._memory, drifting=tuple(sorted(self._drifting)), channels=self._channels,
            classes=dict(self._classes.most_common(_LABELS)),
        )  # fmt: skip
        self._supervisor.say(f"X_VITALS={msgspec.json.encode(vitals).decode()}")
