"""Metrics of the ladder, and the groups over which their confidence intervals are computed.

Groups are the units that folds keep whole (people, days). More than fifty units are merged into fifty random groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.race.problem import Problem, stratified_folds
from edgewright.schema.data import Floats
from edgewright.schema.errors import UnknownNameError
from edgewright.training import metrics

# Maximum number of groups; more units are merged into this many.
MOST_UNITS = 50
TWO = 2


@dataclass(frozen=True)
class Metric:
    """A metric of predictions.

    Attributes:
        name: value for `--metric`.
        higher: whether higher is better.
        score: function of targets (class indices or numbers) and predictions that returns the score.
        only: task that the metric applies to: 'classification', 'regression', or 'binary' for two classes.
        title: name in reports.
    """

    name: str
    higher: bool
    score: Callable[[NDArray[Any], Floats], float]
    only: str
    title: str


def _best(answers: Floats) -> NDArray[np.int64]:
    return np.asarray(np.argmax(answers, axis=1), np.int64)


def _of_rarer(y: NDArray[Any], answers: Floats) -> float:
    rare = int(np.argmin(np.bincount(y, minlength=TWO)))
    return metrics.average_precision(y == rare, answers[:, rare])


METRICS = {
    m.name: m
    for m in (
        Metric("accuracy", True, lambda y, a: metrics.accuracy(y, _best(a)), "classification", "accuracy"),
        Metric(
            "balanced-accuracy",
            True,
            lambda y, a: metrics.balanced_accuracy(y, _best(a)),
            "classification",
            "balanced accuracy",
        ),
        Metric("macro-f1", True, lambda y, a: metrics.macro_f1(y, _best(a), a.shape[1]), "classification", "macro-F1"),
        Metric("average-precision", True, _of_rarer, "binary", "average precision"),
        Metric("mae", False, lambda y, a: float(np.abs(a[:, 0] - y).mean()), "regression", "mean absolute error"),
        Metric(
            "rmse",
            False,
            lambda y, a: math.sqrt(float(((a[:, 0] - y) ** 2).mean())),
            "regression",
            "root mean squared error",
        ),
    )
}


def codes(problem: Problem) -> NDArray[Any]:
    """Return targets as class indices, or as numbers for a regression; shape (n,)."""
    if problem.task != "classification":
        return np.asarray(problem.y, np.float64)
    return np.searchsorted(np.asarray(problem.classes), np.asarray(problem.y)).astype(np.int64)


def choose(problem: Problem, name: str = "") -> tuple[Metric, str]:
    """Return the metric and the reason for the choice.

    Args:
        problem: problem to evaluate.
        name: requested metric; chosen from the target when empty.

    Raises:
        UnknownNameError: no metric of that name applies to this target.
    """
    classes = len(problem.classes)
    fits = [m.name for m in METRICS.values() if m.only == problem.task or (m.only == "binary" and classes == TWO)]
    if name:
        if name not in fits:
            raise UnknownNameError("metric", name, fits, "--metric")
        return METRICS[name], "set with --metric"
    if problem.task == "regression":
        return METRICS["mae"], "the target is a number, and errors count by their size"
    counts = np.bincount(codes(problem), minlength=classes)
    chosen, shares = metrics.default_class_metric(counts), counts / len(problem.y)
    rare, common = (problem.classes[int(index)] for index in (np.argmin(shares), np.argmax(shares)))
    why = {
        "average-precision": f"{rare!r} is rare ({100 * shares.min():.1f} %), and the task is to find it",
        "balanced-accuracy": f"classes are uneven ({common!r}: {100 * shares.max():.0f} %), "
        "so every class has the same weight",
        "accuracy": "classes are about balanced",
    }
    return METRICS[chosen], why[chosen]


def groups_of(problem: Problem) -> NDArray[np.int64]:
    """Return the jackknife group of each sample: its unit, or one of fifty groups where there are more units."""
    count = int(problem.units.max()) + 1
    if count <= MOST_UNITS:
        return problem.units
    rng = np.random.default_rng(0)
    if problem.by == "row":
        return stratified_folds(problem, MOST_UNITS, rng)
    return (rng.permutation(count) % MOST_UNITS)[problem.units].astype(np.int64)


def kept_of(problem: Problem) -> str:
    """Return what the groups of `groups_of` are."""
    return problem.by if int(problem.units.max()) < MOST_UNITS else f"fifty random sets of {problem.by}s"
