"""Every way to decide over the same answers: thresholds, smoothing, debounce and refractory time, judged by events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import msgspec
import numpy as np

from edgewright.cluster.mapping import each
from edgewright.core.prediction.decision import Decider, Decision
from edgewright.schema.device import DecisionSpec
from edgewright.workflows.tuning.recordings import Labelled, Tape

SMOOTHING = (1, 2, 3, 5, 8)
DEBOUNCE = (1, 2, 3)
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
REFRACTORY = (0.0, 10.0, 60.0)  # seconds


@dataclass(frozen=True)
class Grid:
    """What is tried of each setting; threshold 0 leaves the choice to the largest probability."""

    smoothing: tuple[int, ...] = SMOOTHING
    debounce: tuple[int, ...] = DEBOUNCE
    thresholds: tuple[float, ...] = (0.0, *THRESHOLDS)
    refractory: tuple[float, ...] = REFRACTORY

    def __len__(self) -> int:
        return len(self.smoothing) * len(self.debounce) * len(self.thresholds) * len(self.refractory)


@dataclass(frozen=True)
class Tally:
    """One tape under one decision.

    Attributes:
        events, missed: of the labels that alarm.
        false: alarms outside of events; `repeated` a further one within an event that was found.
        exposure: seconds outside of events.
        delays: seconds from the beginning of each found event to its first alarm.
    """

    events: int
    missed: int
    false: int
    repeated: int
    exposure: float
    delays: tuple[float, ...]


@dataclass(frozen=True)
class GridScore:
    """One decision over all tapes, a tally each."""

    spec: DecisionSpec
    tallies: tuple[Tally, ...]


def decision(alarms: Sequence[str], smoothing: int, debounce: int, threshold: float, refractory: float) -> DecisionSpec:
    """Return the same threshold for every label that alarms; the largest probability decides among the others."""
    own = dict.fromkeys(alarms, threshold) if threshold else {}
    return DecisionSpec(
        smoothing=smoothing, debounce=debounce, thresholds=own, alarms=tuple(alarms), refractory=refractory
    )


@dataclass(frozen=True)
class Matched:
    """Alarms against events: places of events with the time of their first alarm, and places of other alarms."""

    first: dict[int, float]
    false: tuple[int, ...]
    repeated: tuple[int, ...]


def matched(events: Sequence[Labelled], alarms: Sequence[tuple[str, float]], tolerance: float) -> Matched:
    """Return which alarm belongs to which event.

    An alarm belongs to an event of its label when it comes between the event's beginning and `tolerance` after its
    end. An event without such an alarm is missed, an alarm without such an event is false.

    Args:
        events: in order.
        alarms: labels and times, in order.
        tolerance: seconds.
    """
    first: dict[int, float] = {}
    false, repeated = [], []
    for number, (label, time) in enumerate(alarms):
        fits = [
            index
            for index, event in enumerate(events)
            if event.label == label and event.start <= time <= event.end + tolerance
        ]
        fresh = [index for index in fits if index not in first]
        if fresh:
            # Of two events that overlap by their tolerance the later one began last.
            first[fresh[-1]] = time
        elif fits:
            repeated.append(number)
        else:
            false.append(number)
    return Matched(first, tuple(false), tuple(repeated))


def tally(tape: Tape, alarms: Sequence[tuple[str, float]], tolerance: float) -> Tally:
    """Return alarms against the events of a tape, as `matched` tells them."""
    matches = matched(tape.events, alarms, tolerance)
    delays = tuple(time - tape.events[index].start for index, time in sorted(matches.first.items()))
    return Tally(
        len(tape.events), len(tape.events) - len(matches.first), len(matches.false), len(matches.repeated),
        tape.exposure(tolerance), delays,
    )  # fmt: skip


def decisions(tape: Tape, spec: DecisionSpec, labels: Sequence[str]) -> list[Decision]:
    """All decisions over a tape, from a fresh start."""
    decider = Decider(spec, labels)
    result: list[Decision] = []
    for index, (probabilities, times) in enumerate(tape.pieces):
        if index:
            decider.gap()
        result += decider.push_all(probabilities, times.tolist()).values()
    return result


def alarms_of(decisions: Sequence[Decision], spec: DecisionSpec, labels: Sequence[str]) -> list[tuple[str, float]]:
    """Return the alarms of decisions under another refractory time, which no earlier step depends on.

    The decider itself is asked: it is given each decision as a sure answer.
    """
    sure = np.eye(len(labels), dtype=np.float32)[np.array([decision.label for decision in decisions], np.int64)]
    decider = Decider(DecisionSpec(alarms=spec.alarms, refractory=spec.refractory), labels)
    alarms = decider.push_all(sure, [decision.time for decision in decisions])
    return [(labels[decision.label], decision.time) for decision in alarms.values() if decision.alarm]


def evaluated(tapes: Sequence[Tape], spec: DecisionSpec, labels: Sequence[str], tolerance: float) -> GridScore:
    """One decision over all tapes."""
    tallies = []
    for tape in tapes:
        alarms = [
            (labels[decision.label], decision.time) for decision in decisions(tape, spec, labels) if decision.alarm
        ]
        tallies.append(tally(tape, alarms, tolerance))
    return GridScore(spec, tuple(tallies))


def try_all(
    tapes: Sequence[Tape],
    labels: Sequence[str],
    alarms: Sequence[str],
    tolerance: float,
    grid: Grid,
    advance: Callable[[int], None] = lambda count: None,
) -> list[GridScore]:
    """Every decision of the grid over all tapes, in the grid's order.

    Args:
        tapes: answered recordings.
        labels: of the package.
        alarms: labels that alarm.
        tolerance: see `tally`.
        grid: what is tried.
        advance: hears of every combination but that of refractory times.
    """
    bases = (
        decision(alarms, smoothing, debounce, threshold, 0.0)
        for smoothing, debounce, threshold in product(grid.smoothing, grid.debounce, grid.thresholds)
    )
    results: list[GridScore] = []
    for scores in each(_swept, _Trial(tapes, labels, tolerance, grid.refractory), bases):
        results += scores
        advance(1)
    return results


@dataclass(frozen=True)
class _Trial:
    """On what decisions are tried, and with which refractory times."""

    tapes: Sequence[Tape]
    labels: Sequence[str]
    tolerance: float
    refractory: Sequence[float]


def _swept(trial: _Trial, base: DecisionSpec) -> list[GridScore]:
    """Return a decision with every refractory time over all tapes."""
    decided = [decisions(tape, base, trial.labels) for tape in trial.tapes]
    scores = []
    for refractory in trial.refractory:
        spec = msgspec.structs.replace(base, refractory=refractory)
        tallies = [
            tally(tape, alarms_of(own, spec, trial.labels), trial.tolerance)
            for tape, own in zip(trial.tapes, decided, strict=True)
        ]
        scores.append(GridScore(spec, tuple(tallies)))
    return scores
