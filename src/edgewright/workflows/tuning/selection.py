"""Which decision is taken: the cheapest, or what misses least within a rate; and how that choice does on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import each
from edgewright.schema.device import DecisionSpec
from edgewright.schema.trace_flow import Interval
from edgewright.schema.tuning import TunePoint, TuneTest
from edgewright.training.metrics import FEW_GROUPS, SHARE, group_interval
from edgewright.training.permutation_test import of_sums, power, probabilities
from edgewright.workflows.detection.threshold import rate, share
from edgewright.workflows.tuning.grid import Grid, GridScore, Tally, evaluated
from edgewright.workflows.tuning.recordings import Tape

_DAY = 86400.0


def point(result: GridScore, cost: Cost, groups: Sequence[str], unit: float, *, front: bool = False) -> TunePoint:
    """Return what a decision gives, with intervals.

    The interval of the missed share is Wilson's, that of the rate Byar's for Poisson counts; where two people or more
    are known, the interval over whole people is computed as well, and the wider end counts.

    Args:
        result: decision over all tapes.
        cost: see `Cost`.
        groups: of each tape.
        unit: seconds of exposure that the rate is given for.
        front: see `TunePoint`.
    """
    table = _by_group(result, groups)
    events, missed, false, exposure = table.sum(0).tolist()
    miss = share(int(missed), int(events))
    alarm = rate(int(false), exposure / unit)
    delays = [d for t in result.tallies for d in t.delays]
    own = {result.spec.thresholds.get(label, 0.0) for label in result.spec.alarms}
    return TunePoint(
        smoothing=result.spec.smoothing,
        debounce=result.spec.debounce,
        threshold=next(iter(own)) if len(own) == 1 else 0.0,
        thresholds=dict(result.spec.thresholds) if len(own) > 1 else {},
        refractory=result.spec.refractory,
        events=int(events),
        missed=int(missed),
        missed_share=_wider(miss, "wilson", table[:, 1], table[:, 0], SHARE),
        false=int(false),
        false_rate=_wider(alarm, "poisson", table[:, 2], table[:, 3] / unit, (0.0, math.inf)),
        delay=float(np.median(delays)) if delays else None,
        cost=cost.of(result.tallies),
        front=front,
    )


def _by_group(result: GridScore, groups: Sequence[str]) -> NDArray[np.float64]:
    """Return events, missed, false and exposure of each person, shape (people, 4)."""
    names = sorted(set(groups))
    table = np.zeros((len(names), 4))
    for group, t in zip(groups, result.tallies, strict=True):
        table[names.index(group)] += (t.events, t.missed, t.false, t.exposure)
    return table


def _wider(
    alone: tuple[float, float, float],
    method: str,
    counts: NDArray[np.float64],
    bases: NDArray[np.float64],
    within: tuple[float, float],
) -> Interval:
    """Return the interval of a count over a base, never narrower than the one over people."""
    value, low, high = alone
    interval = Interval(value=value, low=low, high=high, method=method)
    if len(counts) > 1:

        def ratio(people: NDArray[np.int64]) -> float:
            base = float(bases[people].sum())
            return float(counts[people].sum()) / base if base else value

        between = group_interval(np.arange(len(counts)), ratio, by="person", within=within)
        low, high = min(low, between.low), max(high, between.high)
        interval = msgspec.structs.replace(interval, low=low, high=high, method=f"{method} and {between.method}")
    # Without any exposure nothing is known, which JSON has no number for.
    return interval if math.isfinite(high) else msgspec.structs.replace(interval, high=1e9)


def paired(others: GridScore, before: GridScore, cost: Cost, groups: Sequence[str]) -> TuneTest | None:
    """Test whether the choice costs few people, who took no part in it, less than the package's own decision.

    Args:
        others: each person judged by the decision that the others chose.
        before: the package's own decision.
        cost: see `Cost`.
        groups: of each tape.

    Returns:
        The exact test of the difference; None where people are many and intervals tell.
    """
    people = len(set(groups))
    if people > FEW_GROUPS:
        return None
    own, old = (
        cost.miss * table[:, 1] + cost.false_alarm * table[:, 2]
        for table in (_by_group(result, groups) for result in (others, before))
    )
    intervals = probabilities({"cost": of_sums(own, old, float)}, people)
    return TuneTest(p=intervals["cost"], power=power(people, "person", "people"))


def day_of(per_second: float | None) -> tuple[float, str]:
    """Exposure that a rate is given for, in the tapes' seconds, and its name; 1,000 windows without a rate."""
    return (_DAY, "day") if per_second else (1000.0, "1000 windows")


_FOLDS = 10


class Rule(Protocol):
    """By what a decision is taken: the one with the smallest order."""

    def order(self, tallies: Sequence[Tally], /) -> tuple[float, ...]:
        """Of one decision, over the tapes that choose."""


@dataclass(frozen=True)
class Cost:
    """What one false alarm and one missed event cost, in any unit; the cheapest decision is taken."""

    false_alarm: float = 1.0
    miss: float = 1.0

    def of(self, tallies: Sequence[Tally]) -> float:
        """Of all that was false or missed."""
        return self.false_alarm * sum(t.false for t in tallies) + self.miss * sum(t.missed for t in tallies)

    def order(self, tallies: Sequence[Tally]) -> tuple[float, ...]:
        """Return the cost."""
        return (self.of(tallies),)


@dataclass(frozen=True)
class AtMost:
    """So many false alarms in a second of exposure are accepted; what misses least of all that keeps to it is taken.

    Where nothing keeps to it, the one with the fewest.
    """

    rate: float

    def keeps(self, tallies: Sequence[Tally]) -> bool:
        """Return whether a decision keeps to it."""
        return rate_of(tallies) <= self.rate

    def order(self, tallies: Sequence[Tally]) -> tuple[float, ...]:
        """Return a sort key: excess false alarms, missed events, false alarms."""
        false = sum(t.false for t in tallies)
        return (0 if self.keeps(tallies) else false, sum(t.missed for t in tallies), false)


def rate_of(tallies: Sequence[Tally]) -> float:
    """Return the false alarms per second of exposure."""
    false, exposure = sum(t.false for t in tallies), sum(t.exposure for t in tallies)
    return false / exposure if exposure > 0 else math.inf if false else 0.0


def _simple(spec: DecisionSpec, tallies: Iterable[Tally]) -> tuple[float, ...]:
    """Between equals: the one that alarms soonest, then the simplest."""
    delays = [d for t in tallies for d in t.delays]
    late = sum(delays) / len(delays) if delays else math.inf
    threshold = next(iter(spec.thresholds.values()), 0.0)
    # Far from both ends: of thresholds that cost the same, the middle one is most likely to cost the same again.
    return late, spec.smoothing, spec.debounce, spec.refractory, abs(threshold - 0.5)


def best(results: Sequence[GridScore], rule: Rule, tapes: Sequence[int], among: Sequence[int] | None = None) -> int:
    """Return the place of the decision that a rule takes on some tapes; of equals the soonest, then the simplest.

    Args:
        results: decisions.
        rule: by which is chosen.
        tapes: places of the tapes that choose.
        among: places of decisions that may be taken; all when None.
    """

    def order(position: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        own = [results[position].tallies[index] for index in tapes]
        return rule.order(own), _simple(results[position].spec, own)

    return min(range(len(results)) if among is None else among, key=order)


def front(results: Sequence[GridScore]) -> list[int]:
    """Return places of decisions that no other beats in both false alarms and missed events, the fewest missed first.

    Of several that give the same, the one that alarms soonest and is simplest stands for all.
    """
    rows: dict[tuple[int, int], tuple[tuple[float, ...], int]] = {}
    for index, result in enumerate(results):
        key = (sum(t.missed for t in result.tallies), sum(t.false for t in result.tallies))
        mine = (_simple(result.spec, result.tallies), index)
        rows[key] = min(rows.get(key, mine), mine)
    points, minimum = [], math.inf
    for (_, false), (_, index) in sorted(rows.items()):
        if false < minimum:
            points.append(index)
            minimum = false
    return points


@dataclass
class ByLabel:
    """What was tried with one threshold for all labels, and a threshold of its own for each that some tapes choose.

    One label after the other: all thresholds of the grid for it, the rest as in the cheapest decision so far. Called
    with the places of the tapes that choose; every decision is judged over all tapes, so that others can judge it.

    Args:
        tapes: answered recordings.
        labels: of the package.
        results: with one threshold for all.
        cost: by which is chosen.
        tolerance: see `tally`.
        grid: what is tried.
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
        """All decisions over all tapes; which thresholds are tried was chosen on the tapes at `places` alone."""
        results = list(self.results)
        alarms = results[0].spec.alarms
        for label in alarms if len(alarms) > 1 else ():
            base = results[best(results, self.cost, places)].spec
            for threshold in self.grid.thresholds:
                if threshold and base.thresholds.get(label) != threshold:
                    own = msgspec.structs.replace(base, thresholds={**base.thresholds, label: threshold})
                    results.append(self._evaluated(own))
        return results

    def _evaluated(self, spec: DecisionSpec) -> GridScore:
        key = msgspec.json.encode(spec, order="deterministic")
        if key not in self._known:
            self._known[key] = evaluated(self.tapes, spec, self.labels, self.tolerance)
        return self._known[key]


def held_out(
    evaluate: Callable[[Sequence[int]], Sequence[GridScore]],
    rule: Rule,
    groups: Sequence[str],
    advance: Callable[[int], None] = lambda count: None,
) -> GridScore | None:
    """Each person judged by the decision that the others chose; None with only one person.

    Args:
        evaluate: from the places of the tapes that choose, decisions over all tapes.
        rule: by which is chosen.
        groups: of each tape.
        advance: hears of every person, or tenth of them.
    """
    folds = folds_of(groups)
    if folds < 2:
        return None
    side = {name: number % folds for number, name in enumerate(sorted(set(groups)))}
    sides = [side[group] for group in groups]
    tallies: list[Tally | None] = [None] * len(groups)
    for fold, chosen in enumerate(each(_by_others, (evaluate, rule, sides), range(folds))):
        for index in (i for i, own in enumerate(sides) if own == fold):
            tallies[index] = chosen.tallies[index]
        advance(1)
    everyone = range(len(groups))
    results = evaluate(everyone)
    return GridScore(results[best(results, rule, everyone)].spec, tuple(t for t in tallies if t is not None))


def _by_others(shared: tuple[Callable[[Sequence[int]], Sequence[GridScore]], Rule, list[int]], fold: int) -> GridScore:
    """Return the decision that the tapes of other folds choose."""
    evaluate, rule, sides = shared
    others = [index for index, side in enumerate(sides) if side != fold]
    results = evaluate(others)
    return results[best(results, rule, others)]


def folds_of(groups: Sequence[str]) -> int:
    """Into how many parts people are dealt to judge each other's choice."""
    return min(_FOLDS, len(set(groups)))
