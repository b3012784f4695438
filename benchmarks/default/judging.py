"""How answers to the test samples are judged: a score with its interval, and a ratio to another score."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.default.content import Array
from edgewright.core.records.trace import Interval
from edgewright.training import metrics
from edgewright.training.metrics import average_precision

Statistic = Callable[[metrics.Numbers], float]


def statistic(metric: str, truth: Array, answers: Array) -> Statistic:
    """Return the metric as a function of the numbers of samples.

    Args:
        metric: of the set.
        truth: labels as text or amounts, shape (n,).
        answers: labels or amounts, shape (n,); of 'average_precision' a score that is larger where the rarer class is
            likelier.
    """
    if metric == "rmse":
        square = (answers.astype(np.float64) - truth.astype(np.float64)) ** 2
        return lambda rows: float(np.sqrt(square[rows].mean()))
    if metric == "average_precision":
        names, counts = np.unique(truth, return_counts=True)
        wanted = truth == names[np.argmin(counts)]
        return lambda rows: average_precision(wanted[rows], answers[rows])
    names = np.unique(np.concatenate([truth, answers]))
    true, answer = (np.searchsorted(names, labels).astype(np.int64) for labels in (truth, answers))
    if metric == "accuracy":
        return lambda rows: metrics.accuracy(true[rows], answer[rows])
    return lambda rows: metrics.macro_f1(true[rows], answer[rows], len(names))


def score(metric: str, truth: Array, answers: Array, groups: Array | None) -> Interval:
    """Compute the score of answers with its 95 % interval, by group where groups are known.

    Args:
        metric: of the set.
        truth: as of `statistic`.
        answers: as of `statistic`.
        groups: of the samples, shape (n,), or None.
    """
    if metric == "accuracy":
        right = (truth == answers).astype(np.int64)
        return metrics.accuracy_interval(np.ones_like(right), right, groups)
    within = (0.0, math.inf) if metric == "rmse" else metrics.SHARE
    return metrics.interval_of(groups, len(truth), statistic(metric, truth, answers), within)


def difference(metric: str, truth: Array, own: Array, peer: Array, groups: Array | None) -> Interval:
    """Compute how much better one score is than another on the same samples, also of errors, with its 95 % interval.

    Args:
        metric: of the set.
        truth: as of `statistic`.
        own: answers that are better where the difference is above 0.
        peer: answers of the other model.
        groups: of the samples, shape (n,), or None.
    """
    first, second = statistic(metric, truth, own), statistic(metric, truth, peer)
    sign = -1 if metric == "rmse" else 1
    return metrics.interval_of(groups, len(truth), lambda rows: sign * (first(rows) - second(rows)))


def ratio(metric: str, own: float, peer: float) -> float:
    """Return how much better a score is than that of a peer: above 1 is better, also of errors."""
    return peer / own if metric == "rmse" else own / peer
