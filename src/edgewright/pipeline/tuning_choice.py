"""The curve of alarms a day against missed events, the choice by cost, and how that choice does on others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.pipeline.detect_events import rate, share
from edgewright.pipeline.tuning_grid import Grid, Tally, Tried, judged
from edgewright.pipeline.tuning_streams import Tape
from edgewright.schema.trace_flow import Interval
from edgewright.schema.tuning import TunePoint

_DRAWS, _DAY = 1000, 86400.0
# From fewer people it cannot be told how much they differ.
_FEW = 4
_FOLDS = 10


@dataclass(frozen=True)
class Cost:
    """What one false alarm and one missed event cost, in any unit."""

    false_alarm: float = 1.0
    miss: float = 1.0

    def of(self, tallies: Sequence[Tally]) -> float:
        """Of all that was false or missed."""
        return self.false_alarm * sum(t.false for t in tallies) + self.miss * sum(t.missed for t in tallies)


def best(tried: Sequence[Tried], cost: Cost, tapes: Sequence[int]) -> int:
    """The place of the cheapest decision on some tapes; of equals the one that alarms soonest, then the simplest."""

    def order(place: int) -> tuple[float, float, int, int, float, float]:
        one = tried[place]
        own = [one.tallies[index] for index in tapes]
        delays = [d for t in own for d in t.delays]
        late = sum(delays) / len(delays) if delays else math.inf
        threshold = next(iter(one.spec.thresholds.values()), 0.0)
        # Far from both ends: of thresholds that cost the same, the middle one is most likely to cost the same again.
        return cost.of(own), late, one.spec.smoothing, one.spec.debounce, one.spec.refractory, abs(threshold - 0.5)

    return min(range(len(tried)), key=order)


def by_label(
    tapes: Sequence[Tape], labels: Sequence[str], tried: Sequence[Tried], cost: Cost, tolerance: float, grid: Grid
) -> list[Tried]:
    """What was tried, and where several labels alarm also a threshold of its own for each.

    One label after the other: all thresholds of the grid for it, the rest as in the cheapest decision so far.

    Args:
        tapes: answered recordings.
        labels: of the package.
        tried: with one threshold for all.
        cost: by which is chosen.
        tolerance: see `tally`.
        grid: what is tried.
    """
    made = list(tried)
    alarms = tried[0].spec.alarms
    for label in alarms if len(alarms) > 1 else ():
        base = made[best(made, cost, range(len(tapes)))].spec
        for threshold in grid.thresholds:
            if threshold and base.thresholds.get(label) != threshold:
                own = msgspec.structs.replace(base, thresholds={**base.thresholds, label: threshold})
                made.append(judged(tapes, own, labels, tolerance))
    return made


def held_out(tried: Sequence[Tried], cost: Cost, groups: Sequence[str]) -> Tried | None:
    """Each person judged by the decision that the others chose; None with only one person.

    Args:
        tried: all decisions over all tapes.
        cost: by which is chosen.
        groups: of each tape.
    """
    names = sorted(set(groups))
    if len(names) < 2:
        return None
    folds = min(_FOLDS, len(names))
    side = {name: place % folds for place, name in enumerate(names)}
    tallies: list[Tally | None] = [None] * len(groups)
    for fold in range(folds):
        chosen = best(tried, cost, [i for i, g in enumerate(groups) if side[g] != fold])
        for index in (i for i, g in enumerate(groups) if side[g] == fold):
            tallies[index] = tried[chosen].tallies[index]
    spec = tried[best(tried, cost, range(len(groups)))].spec
    return Tried(spec, tuple(t for t in tallies if t is not None))


def point(one: Tried, cost: Cost, groups: Sequence[str], unit: float, *, front: bool = False) -> TunePoint:
    """What a decision gives, with intervals.

    The interval of the missed share is Wilson's, that of the rate Byar's for Poisson counts; where two people or more
    are known, whole people are drawn anew as well, and the wider end counts.

    Args:
        one: decision over all tapes.
        cost: see `Cost`.
        groups: of each tape.
        unit: seconds of exposure that the rate is given for.
        front: see `TunePoint`.
    """
    table = _by_group(one, groups)
    events, missed, false, exposure = table.sum(0).tolist()
    few = f", {len(table)} people" if 1 < len(table) < _FEW else ""
    drawn = _drawn(table)
    miss = share(int(missed), int(events))
    alarm = rate(int(false), exposure / unit)
    with np.errstate(all="ignore"):
        misses = drawn[:, 1] / drawn[:, 0]
        alarms = drawn[:, 2] / (drawn[:, 3] / unit)
    delays = [d for t in one.tallies for d in t.delays]
    own = {one.spec.thresholds.get(label, 0.0) for label in one.spec.alarms}
    return TunePoint(
        smoothing=one.spec.smoothing,
        debounce=one.spec.debounce,
        threshold=next(iter(own)) if len(own) == 1 else 0.0,
        thresholds=dict(one.spec.thresholds) if len(own) > 1 else {},
        refractory=one.spec.refractory,
        events=int(events),
        missed=int(missed),
        missed_share=_wider(miss, misses, "wilson", len(table), few),
        false=int(false),
        false_rate=_wider(alarm, alarms, "poisson", len(table), few),
        delay=float(np.median(delays)) if delays else None,
        cost=cost.of(one.tallies),
        front=front,
    )


def _by_group(one: Tried, groups: Sequence[str]) -> NDArray[np.float64]:
    """Events, missed, false and exposure of each person, shape (people, 4)."""
    names = sorted(set(groups))
    table = np.zeros((len(names), 4))
    for group, t in zip(groups, one.tallies, strict=True):
        table[names.index(group)] += (t.events, t.missed, t.false, t.exposure)
    return table


def _drawn(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of people drawn again with replacement, shape (draws, 4); the same draws every time."""
    generator = np.random.default_rng(0)
    return np.asarray(table[generator.integers(0, len(table), (_DRAWS, len(table)))].sum(1))


def _wider(
    alone: tuple[float, float, float], drawn: NDArray[np.float64], method: str, people: int, few: str
) -> Interval:
    value, low, high = alone
    drawn = drawn[np.isfinite(drawn)]
    if people > 1 and len(drawn):
        method += f" and bootstrap by person{few}"
        low, high = min(low, float(np.quantile(drawn, 0.025))), max(high, float(np.quantile(drawn, 0.975)))
    # Without any exposure nothing is known, which JSON has no number for.
    return Interval(value=value, low=low, high=high if math.isfinite(high) else 1e9, method=method)


def front(tried: Sequence[Tried]) -> list[int]:
    """Places of decisions that no other beats in both false alarms and missed events, the fewest missed first.

    Of several that give the same, the one that alarms soonest and is simplest stands for all.
    """
    rows: dict[tuple[int, int], tuple[float, int]] = {}
    for place, one in enumerate(tried):
        delays = [d for t in one.tallies for d in t.delays]
        key = (sum(t.missed for t in one.tallies), sum(t.false for t in one.tallies))
        mine = (sum(delays) / len(delays) if delays else math.inf, place)
        rows[key] = min(rows.get(key, mine), mine)
    made, least = [], math.inf
    for (_, false), (_, place) in sorted(rows.items()):
        if false < least:
            made.append(place)
            least = false
    return made


def day_of(per_second: float | None) -> tuple[float, str]:
    """Exposure that a rate is given for, in the tapes' seconds, and its name; 1,000 windows without a rate."""
    return (_DAY, "day") if per_second else (1000.0, "1000 windows")
