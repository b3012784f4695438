"""How judged points of a front compare: which one is large enough, and what few units can show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.search.architecture.trial import TrialScore, Tried
from edgewright.training.metrics import FEW_GROUPS, jackknife
from edgewright.training.permutation_test import of_sums, power, probabilities


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Judged points against the best of them.

    Attributes:
        best: number of the trial with the smallest error.
        enough: number of the trial with the smallest flash that is at most one standard error worse (Breiman et al.,
            1984), the error being that of the paired difference over units.
        p: of an exact test against the best, by the number of the trial; empty with many units.
        power: what such a test can show, in a sentence; empty with many units.
    """

    best: int
    enough: int
    p: dict[int, float] = {}
    power: str = ""


def compare(front: Sequence[Tried], judged: dict[int, TrialScore], task: str) -> Comparison | None:
    """Compare the judged points of a front; None where fewer than two can be.

    Args:
        front: the smallest flash first.
        judged: by the number of the trial.
        task: 'classification' or 'regression'.
    """
    able = {trial.number: judged[trial.number] for trial in front if trial.number in judged}
    able = {number: one for number, one in able.items() if one.unit_sums}
    if len(able) < 2:
        return None
    best = min(able, key=lambda number: able[number].error)
    within = {number: _behind(one, able[best], task) <= 1.0 for number, one in able.items()}
    units = able[best].units
    found: dict[int, float] = {}
    if units <= FEW_GROUPS:
        top, figure = np.array(able[best].unit_sums), _figure(task, able[best].samples)
        others = {
            str(number): of_sums(np.array(one.unit_sums), top, figure) for number, one in able.items() if number != best
        }
        found = {int(name): p for name, p in probabilities(others, units).items()}
    return Comparison(
        best=best,
        enough=next(number for number, near in within.items() if near),
        p=found,
        power=power(units, "unit") if units <= FEW_GROUPS else "",
    )


def _behind(one: TrialScore, best: TrialScore, task: str) -> float:
    """By how many standard errors of the difference one is worse than the best."""
    own, top, counts = (np.array(values) for values in (one.unit_sums, best.unit_sums, best.unit_samples))

    def lost(units: NDArray[np.int64]) -> float:
        figure = _figure(task, int(counts[units].sum()))
        return figure(float(own[units].sum())) - figure(float(top[units].sum()))

    more, error, _ = jackknife(lost, np.arange(len(own)))
    return 0.0 if more <= 0 else more / error if error else math.inf


def _figure(task: str, samples: int) -> Callable[[float], float]:
    if task == "regression":
        return lambda total: math.sqrt(total / samples)
    return lambda total: total / samples
