"""Answers of one package to one stream: what was decided, what is not well, and what the rules may see."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from edgewright.core.decision import Decider
from edgewright.core.state_machine.guards import Value
from edgewright.device.agent.batch_prediction import Answered, Answerer
from edgewright.device.agent.counters import Tally
from edgewright.device.agent.plausibility import RangeWatch, ScaleWatch
from edgewright.monitor.sensor_health import Health
from edgewright.schema.data import Floats

OWN_NAMES = ("label", "confidence", "unsure", "decided", "prediction", "package")
"""What guards may ask for of an answer, beside the labels' probabilities."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, as rules and the store take it.

    Attributes:
        time: of the sample's last row.
        names: what guards see of it.
        sure: whether the watchdog may be calm.
        gap: whether rows are missing before it.
        decided: the label, where the decision changed; `score` is its confidence.
        alarm: whether that is an alarm.
        sample: that raised the alarm, shape (channels, samples) or (columns,); None for others.
    """

    time: float
    names: dict[str, Value]
    sure: bool
    gap: bool
    decided: str = ""
    score: float = 0.0
    alarm: bool = False
    sample: Floats | None = None


class Judge:
    """Follows one stream for one package.

    Args:
        answerer: the package.
        summary: seconds of a stretch.
        ruled: whether rules look on: names are made for them.
    """

    # Not the tally: a summary ends with the process.
    KEPT = ("_decider", "_range", "_scale")

    def __init__(self, answerer: Answerer, summary: float, ruled: bool) -> None:
        self.package = answerer.name
        manifest = answerer.manifest
        self._labels, self._summary, self._ruled = manifest.labels, summary, ruled
        self._places = {label: place for place, label in enumerate(manifest.labels)}
        self._decider = Decider(answerer.decision, manifest.labels) if manifest.labels else None
        self.tally = Tally(manifest.labels)
        self._range, self._scale = RangeWatch(), ScaleWatch(manifest.reference)

    def take(self, answered: Answered) -> tuple[list[Seen], list[Health], list[tuple[float, dict[str, Any]]]]:
        """Takes the answers to successive samples.

        Returns:
            One `Seen` for each where rules look on, else one for each that changed the decision; what is not well; and
            summaries with the time at which their stretch ended.
        """
        cut = answered.cut
        times = cut.times.tolist()
        outside = np.array([bool(columns) for columns in answered.outside])
        well = cut.healthy & ~outside & ~answered.missing
        health = self._range.look(answered.outside, times) + self._scale.look(cut.samples, times)
        seen: list[Seen] = []
        summaries = []
        self.tally.gaps += cut.gap
        start = 0
        for place, time in enumerate(times):
            if math.isnan(self.tally.begin):
                self.tally.begin = time
            if time - self.tally.begin >= self._summary:
                self._count(answered, well, start, place)
                start = place
                summaries.append((time, self.tally.detail(time)))
            one = self._one(answered, place, time, bool(well[place]))
            if one is not None:
                seen.append(one)
        self._count(answered, well, start, len(times))
        return seen, health, summaries

    @property
    def means(self) -> Floats:
        """The averaged probabilities after the last answer; empty for a model that gives a number."""
        return np.zeros(0, np.float32) if self._decider is None else self._decider.means

    def gap(self) -> None:
        """Rows are missing: nothing is averaged over a hole."""
        if self._decider is not None:
            self._decider.gap()

    def recall(self, label: str, time: float, *, alarm: bool) -> None:
        """Says what was decided while this one did not see the stream."""
        if self._decider is not None and label in self._places:
            self._decider.recall(self._places[label], time, alarm=alarm)

    def _one(self, answered: Answered, place: int, time: float, well: bool) -> Seen | None:
        gap = answered.cut.gap and place == 0
        if gap:
            self.gap()
        decision = None
        if self._decider is not None:
            if well:
                decision = self._decider.push(answered.probabilities[place], time)
            else:
                # A sensor that is not well decides nothing, and nothing is averaged over what it said.
                self._decider.gap()
        if decision is None and not self._ruled:
            return None
        alarm = decision is not None and decision.alarm
        self.tally.alarms += alarm
        sure = well and not bool(answered.unsure[place])
        return Seen(
            time=time,
            names=self._names(answered, place, well, sure) if self._ruled else {},
            sure=sure,
            gap=gap,
            decided=self._labels[decision.label] if decision else "",
            score=decision.confidence if decision else 0.0,
            alarm=alarm,
            sample=answered.cut.samples[place].copy() if alarm else None,
        )

    def _names(self, answered: Answered, place: int, well: bool, sure: bool) -> dict[str, Value]:
        names: dict[str, Value] = {"package": self.package, "unsure": float(not sure)}
        if self._decider is None:
            predictions = answered.predictions
            names["prediction"] = float(predictions[place]) if predictions is not None and well else math.nan
            return names
        # What rests on a sensor that is not well is not known.
        means = self._decider.means.tolist() if well else [math.nan] * len(self._labels)
        names.update(zip(self._labels, means, strict=True))
        names["label"] = str(answered.labels[place]) if well else math.nan
        names["confidence"] = float(answered.confidence[place]) if well else math.nan
        decided = self._decider.decided
        names["decided"] = self._labels[decided] if decided >= 0 else math.nan
        return names

    def _count(self, answered: Answered, well: Any, start: int, end: int) -> None:  # noqa: ANN401 - an array of bool
        if start == end:
            return
        part = slice(start, end)
        good = well[part]
        self.tally.windows += end - start
        self.tally.doubted += int((~good).sum())
        self.tally.unsure += int(answered.unsure[part][good].sum())
        if self._decider is None:
            if answered.predictions is not None:
                self.tally.numbers(answered.predictions[part][good])
            return
        places = np.array([self._places[label] for label in answered.labels[part][good].tolist()], np.int64)
        self.tally.labels(places, answered.confidence[part][good])
