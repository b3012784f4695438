"""A point of the curve of alarms a day against missed events: what a decision gives, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.trace_flow import Interval
from edgewright.schema.tuning import TunePoint, TuneTest
from edgewright.training.metrics import FEW_GROUPS, SHARE, group_interval
from edgewright.training.permutation_test import of_sums, power, probabilities
from edgewright.workflows.detection.events import rate, share
from edgewright.workflows.tuning.grid import Tried
from edgewright.workflows.tuning.selection import Cost

_DAY = 86400.0


def point(one: Tried, cost: Cost, groups: Sequence[str], unit: float, *, front: bool = False) -> TunePoint:
    """What a decision gives, with intervals.

    The interval of the missed share is Wilson's, that of the rate Byar's for Poisson counts; where two people or more
    are known, the interval over whole people is computed as well, and the wider end counts.

    Args:
        one: decision over all tapes.
        cost: see `Cost`.
        groups: of each tape.
        unit: seconds of exposure that the rate is given for.
        front: see `TunePoint`.
    """
    table = _by_group(one, groups)
    events, missed, false, exposure = table.sum(0).tolist()
    miss = share(int(missed), int(events))
    alarm = rate(int(false), exposure / unit)
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
        missed_share=_wider(miss, "wilson", table[:, 1], table[:, 0], SHARE),
        false=int(false),
        false_rate=_wider(alarm, "poisson", table[:, 2], table[:, 3] / unit, (0.0, math.inf)),
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


def _wider(
    alone: tuple[float, float, float],
    method: str,
    counts: NDArray[np.float64],
    bases: NDArray[np.float64],
    within: tuple[float, float],
) -> Interval:
    """The interval of a count over a base, never narrower than the one over people."""
    value, low, high = alone
    made = Interval(value=value, low=low, high=high, method=method)
    if len(counts) > 1:

        def ratio(people: NDArray[np.int64]) -> float:
            base = float(bases[people].sum())
            return float(counts[people].sum()) / base if base else value

        found = group_interval(np.arange(len(counts)), ratio, by="person", within=within)
        low, high = min(low, found.low), max(high, found.high)
        made = msgspec.structs.replace(made, low=low, high=high, method=f"{method} and {found.method}")
    # Without any exposure nothing is known, which JSON has no number for.
    return made if math.isfinite(high) else msgspec.structs.replace(made, high=1e9)


def paired(others: Tried, before: Tried, cost: Cost, groups: Sequence[str]) -> TuneTest | None:
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
        for table in (_by_group(one, groups) for one in (others, before))
    )
    found = probabilities({"cost": of_sums(own, old, float)}, people)
    return TuneTest(p=found["cost"], power=power(people, "person", "people"))


def day_of(per_second: float | None) -> tuple[float, str]:
    """Exposure that a rate is given for, in the tapes' seconds, and its name; 1,000 windows without a rate."""
    return (_DAY, "day") if per_second else (1000.0, "1000 windows")
