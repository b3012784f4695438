"""Answers of one package to one stream: what was decided, what is not well, and what the rules may see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.prediction.executor import Decider, Decision
from edgewright.core.records.data import Floats
from edgewright.core.records.package import ReferenceColumn
from edgewright.core.state_machine.guards import Value
from edgewright.device.agent.packages import Answered, Answerer
from edgewright.monitor.sensor_health import Health

_WINDOWS = 8  # in a row, before something is said
_FACTORS = {9.80665: "g and m/s2", 1000.0: "a unit and its thousandth", 180 / math.pi: "degrees and radians"}
_NEAR, _BEYOND = 1.25, 1.5


class RangeWatch:
    """Tells when a column begins and ends to have values that its sensor cannot give."""

    KEPT = ("_outside",)

    def __init__(self) -> None:
        self._outside: dict[str, int] = {}

    def look(self, outside: Sequence[tuple[str, ...]], times: Sequence[float]) -> list[Health]:
        """Return where columns begin and end to be out of range; `outside` has the names of each sample."""
        changes = []
        for columns, time in zip(outside, times, strict=True):
            for name in columns:
                if not self._outside.get(name):
                    text = f"range: {name} has values that its sensor cannot give"
                    changes.append(Health(time=time, kind="range", text=text, channel=name))
                self._outside[name] = _WINDOWS
            if not self._outside:
                continue
            for name in [name for name in self._outside if name not in columns]:
                self._outside[name] -= 1
                if not self._outside[name]:
                    del self._outside[name]
                    changes.append(Health(time=time, kind="well", text=f"well: {name} after range", channel=name))
        return changes


class ScaleWatch:
    """Compares how large values are with how large they were in training.

    Args:
        reference: of the package; empty: nothing is compared.
    """

    KEPT = ("_row", "_told")

    def __init__(self, reference: Sequence[ReferenceColumn]) -> None:
        if not all(column.quantiles for column in reference):
            reference = ()
        self._names = [column.name for column in reference]
        self._size = np.array([math.hypot(column.mean, column.deviation) for column in reference])
        # What was (nearly) always zero in training has no size to compare with.
        self._compared = self._size > 1e-6
        self._row = np.zeros(len(reference), np.int64)
        self._told = np.zeros(len(reference), np.bool_)
        ends = [(column.quantiles[0], column.quantiles[-1]) for column in reference]
        self._largest = np.array([max(abs(low), abs(high)) for low, high in ends])
        # A column that was near zero now and then has no least size: a sensor at rest is no other unit.
        self._smallest = np.array([min(abs(low), abs(high)) if low * high > 0 else 0.0 for low, high in ends])

    def look(self, samples: Floats, times: Sequence[float]) -> list[Health]:
        """Return where values begin and end to have another size; samples: (n, channels, samples) or (n, columns)."""
        if not len(self._names) or samples.shape[1] != len(self._names):
            return []
        wide = samples.reshape(len(samples), len(self._names), -1).astype(np.float64)
        present = ~np.isnan(wide)
        count = np.maximum(present.sum(2), 1)
        size = np.sqrt((np.where(present, wide, 0.0) ** 2).sum(2) / count)
        # On the whole larger than anything was once in training, or smaller than it ever was.
        odd = self._compared & present.any(2) & ((size > _BEYOND * self._largest) | (size * _BEYOND < self._smallest))
        if not odd.any() and not self._told.any():
            self._row[:] = 0
            return []
        # The number of odd samples in a row up to each one, by the last that was not odd.
        at = np.arange(len(odd))[:, None]
        calm = np.maximum.accumulate(np.where(odd, -1, at), axis=0)
        rows = np.vstack([self._row, at - calm + np.where(calm < 0, self._row, 0)])
        begins, ends = rows[1:] == _WINDOWS, (rows[1:] == 0) & (rows[:-1] >= _WINDOWS)
        self._row, self._told = rows[-1], rows[-1] >= _WINDOWS
        changes: list[Health] = []
        for index in np.flatnonzero((begins | ends).any(1)).tolist():
            changes += [
                self._unit_notice(channel, float(size[index, channel]), times[index])
                for channel in np.flatnonzero(begins[index]).tolist()
            ]
            for channel in np.flatnonzero(ends[index]).tolist():
                name = self._names[channel]
                changes.append(Health(time=times[index], kind="well", text=f"well: {name} after unit", channel=name))
        return changes

    def _unit_notice(self, channel: int, size: float, time: float) -> Health:
        name, ratio = self._names[channel], size / float(self._size[channel])
        guess = next(
            (words for factor, words in _FACTORS.items() if 1 / _NEAR < max(ratio, 1 / ratio) / factor < _NEAR), ""
        )
        text = f"unit: {name} is {ratio:.3g} times as large as in training" + (f": {guess}?" if guess else "")
        return Health(time=time, kind="unit", text=text, channel=name, amount=ratio)


OWN_NAMES = (
    "label", "confidence", "unsure", "decided", "prediction", "prediction_low", "prediction_high", "package",
)  # fmt: skip
"""What guards may ask for of an answer, beside the labels' probabilities."""


class StreamAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, as rules and the store take it.

    Attributes:
        time: of the sample's last row.
        names: what guards see of it.
        sure: whether the watchdog may be calm.
        decided: the label, where the decision changed; `score` is its confidence.
        alarm: whether that is an alarm.
        sample: that raised the alarm, shape (channels, samples) or (columns,); None for others.
        places: in a picture that raised the alarm, x and y in pixels of what was found.
    """

    time: float
    names: dict[str, Value]
    sure: bool
    decided: str = ""
    score: float = 0.0
    alarm: bool = False
    sample: Floats | None = None
    places: tuple[tuple[int, int], ...] = ()


_BINS = 100


class Tally:
    """What one package answered of one stream since the last summary."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self.begin = math.nan
        self._clear()

    def _clear(self) -> None:
        self._counts = np.zeros(len(self._labels), np.int64)
        self._confidence = np.zeros(_BINS, np.int64)
        self.windows = self.unsure = self.doubted = self.gaps = self.alarms = 0
        self._sum, self._low, self._high = 0.0, math.inf, -math.inf
        self._last: dict[str, Any] = {}

    def labels(self, places: NDArray[np.int64], confidence: Floats) -> None:
        """Count answers: places of the labels and their confidence, shape (n,) each."""
        self._counts += np.bincount(places, minlength=len(self._labels))
        bins = np.clip(confidence * _BINS, 0, _BINS - 1).astype(np.int64)
        self._confidence += np.bincount(bins, minlength=_BINS)

    def numbers(self, predictions: Floats, interval: Floats | None) -> None:
        """Count predictions, shape (n,), and keep the last one where they have intervals, shape (n, 2)."""
        finite = np.isfinite(predictions)
        known = predictions[finite].astype(np.float64)
        if len(known):
            if interval is not None:
                self._last = {"last": float(known[-1]), "interval": interval[finite][-1].tolist()}
            self._sum += float(known.sum())
            self._low, self._high = min(self._low, float(known.min())), max(self._high, float(known.max()))

    def detail(self, end: float) -> dict[str, Any]:
        """Return the summary up to a time, and begin a new stretch."""
        record: dict[str, Any] = {"windows": self.windows, "seconds": round(end - self.begin, 3)}
        counted = {name: int(n) for name, n in zip(self._labels, self._counts.tolist(), strict=True) if n}
        if counted:
            record["counts"] = counted
            record["confidence"] = [self._quantile(share) for share in (0.05, 0.5, 0.95)]
        if self._low <= self._high:
            record |= {"low": self._low, "high": self._high, "mean": self._sum / max(1, self.windows - self.doubted)}
        record |= self._last
        for name in ("unsure", "doubted", "gaps", "alarms"):
            if getattr(self, name):
                record[name] = getattr(self, name)
        self.begin = end
        self._clear()
        return record

    def _quantile(self, share: float) -> float:
        total = self._confidence.cumsum()
        # Upper edge of the bin, so that .99 means at most .99.
        return (int(np.searchsorted(total, share * total[-1])) + 1) / _BINS


class DecisionStream:
    """Follows one stream for one package.

    Args:
        answerer: the package.
        summary: seconds of a stretch.
        ruled: whether rules see the answers; names are then made for them.
    """

    # Not the tally: a summary ends with the process.
    KEPT = ("_decider", "_range", "_scale")

    def __init__(self, answerer: Answerer, summary: float, ruled: bool) -> None:
        self.package = answerer.name
        manifest = answerer.manifest
        self._labels, self._summary, self._ruled = answerer.predictor.labels, summary, ruled
        self._places = {label: index for index, label in enumerate(self._labels)}
        self._decider = Decider(answerer.decision, self._labels) if self._labels else None
        self.tally = Tally(self._labels)
        self._range, self._scale = RangeWatch(), ScaleWatch(manifest.reference)

    def take(self, answered: Answered) -> tuple[list[StreamAnswer], list[Health], list[tuple[float, dict[str, Any]]]]:
        """Take the answers to successive samples.

        Returns:
            One answer for each where rules look on, else one for each that changed the decision; what is not well; and
            summaries with the time at which their stretch ended.
        """
        cut = answered.cut
        times = cut.times.tolist()
        outside = np.array([bool(columns) for columns in answered.answers.out_of_range])
        well = cut.healthy & ~outside & ~answered.answers.missing
        health = self._range.look(answered.answers.out_of_range, times) + self._scale.look(cut.samples, times)
        if cut.gap:
            self.gap()
            self.tally.gaps += 1
        # Rules see what is decided after each sample; without them all samples are decided at once.
        decisions = (
            {}
            if self._ruled or self._decider is None
            else self._decider.push_all(np.where(well[:, None], answered.answers.probabilities, np.nan), times)
        )
        seen: list[StreamAnswer] = []
        summaries = []
        start = 0
        while start < len(times):
            if math.isnan(self.tally.begin):
                self.tally.begin = times[start]
            late = np.flatnonzero(cut.times[start:] - self.tally.begin >= self._summary)
            end = start + int(late[0]) if len(late) else len(times)
            for index in range(start, end) if self._ruled else [at for at in decisions if start <= at < end]:
                decision = self._next(answered, index, well) if self._ruled else decisions[index]
                seen.append(self._answer(answered, index, bool(well[index]), decision))
            self._count(answered, well, start, end)
            if end < len(times):
                summaries.append((times[end], self.tally.detail(times[end])))
            start = end
        return seen, health, summaries

    @property
    def means(self) -> Floats:
        """The averaged probabilities after the last answer; empty for a model that gives a number."""
        return np.zeros(0, np.float32) if self._decider is None else self._decider.means

    def gap(self) -> None:
        """Start over after missing rows: nothing is averaged over a hole."""
        if self._decider is not None:
            self._decider.gap()

    def _next(self, answered: Answered, index: int, well: NDArray[np.bool_]) -> Decision | None:
        if self._decider is None:
            return None
        if well[index]:
            return self._decider.push(answered.answers.probabilities[index], float(answered.cut.times[index]))
        # A sensor that is not well decides nothing, and nothing is averaged over what it said.
        self._decider.gap()
        return None

    def _answer(self, answered: Answered, index: int, well: bool, decision: Decision | None) -> StreamAnswer:
        alarm = decision is not None and decision.alarm
        self.tally.alarms += alarm
        sure = well and not bool(answered.answers.unsure[index])
        return StreamAnswer(
            time=float(answered.cut.times[index]),
            names=self._names(answered, index, well, sure) if self._ruled else {},
            sure=sure,
            decided=self._labels[decision.label] if decision else "",
            score=decision.confidence if decision else 0.0,
            alarm=alarm,
            sample=answered.cut.samples[index].copy() if alarm else None,
            places=tuple((p.x, p.y) for p in answered.answers.objects[index])
            if alarm and answered.answers.objects
            else (),
        )

    def _names(self, answered: Answered, index: int, well: bool, sure: bool) -> dict[str, Value]:
        names: dict[str, Value] = {"package": self.package, "unsure": float(not sure)}
        if self._decider is None:
            predictions = answered.answers.predictions
            names["prediction"] = float(predictions[index]) if predictions is not None and well else math.nan
            if (interval := answered.answers.interval) is not None:
                ends = interval[index].tolist() if well else (math.nan, math.nan)
                names |= zip(("prediction_low", "prediction_high"), ends, strict=True)
            return names
        # What rests on a sensor that is not well is not known.
        means = self._decider.means.tolist() if well else [math.nan] * len(self._labels)
        names.update(zip(self._labels, means, strict=True))
        names["label"] = str(answered.answers.labels[index]) if well else math.nan
        names["confidence"] = float(answered.answers.confidence[index]) if well else math.nan
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
        self.tally.unsure += int(answered.answers.unsure[part][good].sum())
        if self._decider is None:
            if answered.answers.predictions is not None:
                ends = answered.answers.interval
                self.tally.numbers(answered.answers.predictions[part][good], None if ends is None else ends[part][good])
            return
        places = np.array([self._places[label] for label in answered.answers.labels[part][good].tolist()], np.int64)
        self.tally.labels(places, answered.answers.confidence[part][good])
