"""A point of the curve of alarms a day against missed events: what a decision gives, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.pipeline.detect_events import rate, share
from edgewright.pipeline.tuning_choice import Cost
from edgewright.pipeline.tuning_grid import Tried
from edgewright.schema.trace_flow import Interval
from edgewright.schema.tuning import TunePoint

_DRAWS, _DAY = 1000, 86400.0
# From fewer people it cannot be told how much they differ.
_FEW = 4


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


def day_of(per_second: float | None) -> tuple[float, str]:
    """Exposure that a rate is given for, in the tapes' seconds, and its name; 1,000 windows without a rate."""
    return (_DAY, "day") if per_second else (1000.0, "1000 windows")
