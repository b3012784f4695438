"""Decisions of a grid over recordings, the cheapest of them, and what that choice does on other people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import each
from edgewright.core.prediction.executor import Decider, Decision
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.trace_flow import Interval
from edgewright.training.metrics import FEW_GROUPS, SHARE, group_interval, of_sums, power, probabilities
from edgewright.workflows.detection.threshold import rate, share
from edgewright.workflows.tuning.document import TunePoint, TuneTest
from edgewright.workflows.tuning.recordings import Labelled, Tape

_DAY = 86400.0
_MAX_FOLDS = 10


@dataclass(frozen=True)
class Grid:
    """Settings to try; threshold 0 leaves the choice to the largest probability, refractory times are seconds."""

    smoothing: tuple[int, ...] = (1, 2, 3, 5, 8)
    debounce: tuple[int, ...] = (1, 2, 3)
    thresholds: tuple[float, ...] = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
    refractory: tuple[float, ...] = (0.0, 10.0, 60.0)

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


@dataclass(frozen=True)
class Cost:
    """Cost of one false alarm and of one missed event in any unit; the cheapest decision is taken."""

    false_alarm: float = 1.0
    miss: float = 1.0

    def of(self, tallies: Sequence[Tally]) -> float:
        """Return the cost of all false alarms and missed events."""
        return self.false_alarm * sum(t.false for t in tallies) + self.miss * sum(t.missed for t in tallies)


def alarm_figures(tallies: Sequence[Tally]) -> dict[str, float]:
    """Summarise alarms over recordings.

    Returns:
        `events`, share of them `missed`, `false_alarms` an hour, `hours` outside of events, and seconds from the
        beginning of a found event to its alarm: `delay` (median) and `delay_long` (95 % of events).
    """
    events, hours = sum(tally.events for tally in tallies), sum(tally.exposure for tally in tallies) / 3600
    delays = [delay for tally in tallies for delay in tally.delays]
    return {
        "events": events,
        "missed": sum(tally.missed for tally in tallies) / max(1, events),
        "false_alarms": sum(tally.false for tally in tallies) / hours,
        "hours": hours,
        "delay": float(np.median(delays)) if delays else np.nan,
        "delay_long": float(np.quantile(delays, 0.95)) if delays else np.nan,
    }


def point(result: GridScore, cost: Cost, groups: Sequence[str], unit: float, *, front: bool = False) -> TunePoint:
    """Return the figures of a decision with intervals.

    The interval of the missed share is Wilson's, that of the rate Byar's for Poisson counts; with two people or more
    the interval over whole people is computed as well, and the wider end counts.

    Args:
        result: decision over all tapes.
        cost: see `Cost`.
        groups: of each tape.
        unit: seconds of exposure that the rate is given for.
        front: see `TunePoint`.
    """
    table = _by_group(result, groups)
    events, missed, false, exposure = table.sum(0).tolist()
    delays = [d for t in result.tallies for d in t.delays]
    own = {result.spec.thresholds.get(label, 0.0) for label in result.spec.alarms}
    return TunePoint(
        smoothing=result.spec.smoothing, debounce=result.spec.debounce, refractory=result.spec.refractory,
        threshold=next(iter(own)) if len(own) == 1 else 0.0,
        thresholds=dict(result.spec.thresholds) if len(own) > 1 else {},
        events=int(events), missed=int(missed), false=int(false),
        missed_share=_wider(share(int(missed), int(events)), "wilson", table[:, 1], table[:, 0], SHARE),
        false_rate=_wider(
            rate(int(false), exposure / unit), "poisson", table[:, 2], table[:, 3] / unit, (0.0, math.inf)
        ),
        delay=float(np.median(delays)) if delays else None, cost=cost.of(result.tallies), front=front,
    )  # fmt: skip


def _by_group(result: GridScore, groups: Sequence[str]) -> NDArray[np.float64]:
    """Return events, missed, false and exposure of each person, shape (people, 4)."""
    names = sorted(set(groups))
    table = np.zeros((len(names), 4))
    for group, t in zip(groups, result.tallies, strict=True):
        table[names.index(group)] += (t.events, t.missed, t.false, t.exposure)
    return table


def _wider(
    alone: tuple[float, float, float], method: str, counts: NDArray[np.float64], bases: NDArray[np.float64],
    within: tuple[float, float],
) -> Interval:  # fmt: skip
    """Return the interval of a count over a base, never narrower than the one over people."""
    value, low, high = alone
    if len(counts) > 1:

        def ratio(people: NDArray[np.int64]) -> float:
            base = float(bases[people].sum())
            return float(counts[people].sum()) / base if base else value

        between = group_interval(np.arange(len(counts)), ratio, by="person", within=within)
        low, high, method = min(low, between.low), max(high, between.high), f"{method} and {between.method}"
    # JSON has no infinity.
    return Interval(value=value, low=low, high=high if math.isfinite(high) else 1e9, method=method)


def paired(others: GridScore, before: GridScore, cost: Cost, groups: Sequence[str]) -> TuneTest | None:
    """Test whether the choice costs few people, who took no part in it, less than the package's own decision.

    Args:
        others: each person evaluated by the decision that the others chose.
        before: the package's own decision.
        cost: see `Cost`.
        groups: of each tape.

    Returns:
        The exact test of the difference; None for many people, whose intervals suffice.
    """
    people = len(set(groups))
    if people > FEW_GROUPS:
        return None
    own, old = (
        cost.miss * table[:, 1] + cost.false_alarm * table[:, 2]
        for table in (_by_group(result, groups) for result in (others, before))
    )
    return TuneTest(
        p=probabilities({"cost": of_sums(own, old, float)}, people)["cost"], power=power(people, "person", "people")
    )


def day_of(per_second: float | None) -> tuple[float, str]:
    """Return the exposure that a rate is given for, in seconds of the tapes, and its name."""
    return (_DAY, "day") if per_second else (1000.0, "1000 windows")


def _simplicity(spec: DecisionSpec, tallies: Sequence[Tally]) -> tuple[float, ...]:
    """Return the order of decisions of equal cost: the soonest alarm, then the simplest settings."""
    delays = [d for t in tallies for d in t.delays]
    late = sum(delays) / len(delays) if delays else math.inf
    threshold = next(iter(spec.thresholds.values()), 0.0)
    # Of thresholds that cost the same, the middle one is most likely to cost the same on other data.
    return late, spec.smoothing, spec.debounce, spec.refractory, abs(threshold - 0.5)


def best(results: Sequence[GridScore], cost: Cost, tapes: Sequence[int]) -> int:
    """Return the index of the cheapest decision on some tapes; of equals the soonest, then the simplest."""

    def order(index: int) -> tuple[float, tuple[float, ...]]:
        own = [results[index].tallies[tape] for tape in tapes]
        return cost.of(own), _simplicity(results[index].spec, own)

    return min(range(len(results)), key=order)


def front(results: Sequence[GridScore]) -> list[int]:
    """Return indices of decisions that no other beats in both false alarms and missed events, the fewest missed first.

    Of several with the same figures, the one that alarms soonest and is simplest is returned.
    """
    rows: dict[tuple[int, int], tuple[tuple[float, ...], int]] = {}
    for index, result in enumerate(results):
        key = (sum(t.missed for t in result.tallies), sum(t.false for t in result.tallies))
        mine = (_simplicity(result.spec, result.tallies), index)
        rows[key] = min(rows.get(key, mine), mine)
    points, minimum = [], math.inf
    for (_, false), (_, index) in sorted(rows.items()):
        if false < minimum:
            points.append(index)
            minimum = false
    return points


@dataclass
class ByLabel:
    """All decisions with one threshold, and a separate threshold for each label that some tapes choose.

    One label after the other: all thresholds of the grid for it, the rest as in the cheapest decision so far.

    Args:
        tapes: recordings with predictions.
        labels: of the package.
        results: with one threshold for all.
        cost: selects the decision.
        tolerance: see `tally`.
        grid: settings to try.
    """

    tapes: Sequence[Tape]
    labels: Sequence[str]
    results: Sequence[GridScore]
    cost: Cost
    tolerance: float
    grid: Grid

    def __post_init__(self) -> None:
        # Most folds come to the same decisions.
        self._known: dict[bytes, GridScore] = {}

    def __call__(self, places: Sequence[int]) -> list[GridScore]:
        """Return all decisions over all tapes; the thresholds to try are chosen on the tapes at `places` alone."""
        results = list(self.results)
        alarms = results[0].spec.alarms
        for label in alarms if len(alarms) > 1 else ():
            base = results[best(results, self.cost, places)].spec
            for threshold in self.grid.thresholds:
                if threshold and base.thresholds.get(label) != threshold:
                    own = msgspec.structs.replace(base, thresholds={**base.thresholds, label: threshold})
                    key = msgspec.json.encode(own, order="deterministic")
                    if key not in self._known:
                        self._known[key] = evaluated(self.tapes, own, self.labels, self.tolerance)
                    results.append(self._known[key])
        return results


def held_out(
    evaluate: Callable[[Sequence[int]], Sequence[GridScore]], cost: Cost, groups: Sequence[str],
    advance: Callable[[int], None] = lambda count: None,
) -> GridScore | None:  # fmt: skip
    """Evaluate each person by the decision that the others chose; None with only one person.

    Args:
        evaluate: from the indices of the tapes that choose, decisions over all tapes.
        cost: selects the decision.
        groups: of each tape.
        advance: called after every fold.
    """
    folds = folds_of(groups)
    if folds < 2:
        return None
    side = {name: number % folds for number, name in enumerate(sorted(set(groups)))}
    sides = [side[group] for group in groups]
    tallies: list[Tally | None] = [None] * len(groups)
    for fold, chosen in enumerate(each(_by_others, (evaluate, cost, sides), range(folds))):
        for index in (i for i, own in enumerate(sides) if own == fold):
            tallies[index] = chosen.tallies[index]
        advance(1)
    results = evaluate(range(len(groups)))
    chosen = results[best(results, cost, range(len(groups)))]
    return GridScore(chosen.spec, tuple(t for t in tallies if t is not None))


def _by_others(shared: tuple[Callable[[Sequence[int]], Sequence[GridScore]], Cost, list[int]], fold: int) -> GridScore:
    evaluate, cost, sides = shared
    others = [index for index, side in enumerate(sides) if side != fold]
    results = evaluate(others)
    return results[best(results, cost, others)]


def folds_of(groups: Sequence[str]) -> int:
    """Return the number of folds of people."""
    return min(_MAX_FOLDS, len(set(groups)))


def decision(alarms: Sequence[str], smoothing: int, debounce: int, threshold: float, refractory: float) -> DecisionSpec:
    """Return a decision with the same threshold for every label that alarms."""
    own = dict.fromkeys(alarms, threshold) if threshold else {}
    return DecisionSpec(
        smoothing=smoothing, debounce=debounce, thresholds=own, alarms=tuple(alarms), refractory=refractory
    )


def tally(tape: Tape, alarms: Sequence[tuple[str, float]], tolerance: float) -> Tally:
    """Count alarms (labels and times, in order) against the events of a tape.

    An alarm belongs to an event of its label between the event's beginning and `tolerance` seconds after its end. An
    event without such an alarm is missed, an alarm without such an event is false.
    """
    first: dict[int, float] = {}
    false = repeated = 0

    def belongs(event: Labelled, label: str, time: float) -> bool:
        return event.label == label and event.start <= time <= event.end + tolerance

    for label, time in alarms:
        fits = [index for index, event in enumerate(tape.events) if belongs(event, label, time)]
        fresh = [index for index in fits if index not in first]
        if fresh:
            # Of two events that overlap by their tolerance the later one began last.
            first[fresh[-1]] = time
        elif fits:
            repeated += 1
        else:
            false += 1
    delays = tuple(time - tape.events[index].start for index, time in sorted(first.items()))
    return Tally(
        len(tape.events), len(tape.events) - len(first), false, repeated, tape.exposure(tolerance), delays
    )  # fmt: skip


def decisions(tape: Tape, spec: DecisionSpec, labels: Sequence[str]) -> list[Decision]:
    """Return all decisions over a tape, from a fresh start."""
    decider = Decider(spec, labels)
    result: list[Decision] = []
    for index, (outputs, times) in enumerate(tape.pieces):
        if index:
            decider.gap()
        result += decider.push_all(outputs, times.tolist()).values()
    return result


def alarms_of(decisions: Sequence[Decision], spec: DecisionSpec, labels: Sequence[str]) -> list[tuple[str, float]]:
    """Return the alarms of decisions under another refractory time, which no earlier step depends on.

    The decider receives each decision as a prediction of probability 1.
    """
    sure = np.eye(len(labels), dtype=np.float32)[np.array([decision.label for decision in decisions], np.int64)]
    decider = Decider(DecisionSpec(alarms=spec.alarms, refractory=spec.refractory), labels)
    alarms = decider.push_all(sure, [decision.time for decision in decisions])
    return [(labels[decision.label], decision.time) for decision in alarms.values() if decision.alarm]


def evaluated(tapes: Sequence[Tape], spec: DecisionSpec, labels: Sequence[str], tolerance: float) -> GridScore:
    """Return one decision over all tapes."""
    alarms = ([(labels[d.label], d.time) for d in decisions(tape, spec, labels) if d.alarm] for tape in tapes)
    return GridScore(spec, tuple(tally(tape, own, tolerance) for tape, own in zip(tapes, alarms, strict=True)))


def try_all(
    tapes: Sequence[Tape], labels: Sequence[str], alarms: Sequence[str], tolerance: float, grid: Grid,
    advance: Callable[[int], None] = lambda count: None,
) -> list[GridScore]:  # fmt: skip
    """Return every decision of the grid over all tapes, in the grid's order; `advance` omits refractory times."""
    bases = (decision(alarms, *own, 0.0) for own in product(grid.smoothing, grid.debounce, grid.thresholds))
    results: list[GridScore] = []
    for scores in each(_swept, (tapes, labels, tolerance, grid.refractory), bases):
        results += scores
        advance(1)
    return results


def _swept(
    trial: tuple[Sequence[Tape], Sequence[str], float, Sequence[float]], base: DecisionSpec
) -> list[GridScore]:  # fmt: skip
    """Return a decision with every refractory time over all tapes."""
    tapes, labels, tolerance, times = trial
    decided = [decisions(tape, base, labels) for tape in tapes]
    scores = []
    for refractory in times:
        spec = msgspec.structs.replace(base, refractory=refractory)
        pairs = zip(tapes, decided, strict=True)
        scores.append(
            GridScore(spec, tuple(tally(tape, alarms_of(own, spec, labels), tolerance) for tape, own in pairs))
        )
    return scores
