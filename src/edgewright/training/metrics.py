"""How good predictions are, with intervals, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.trace import Interval

Numbers = NDArray[np.int64]
# Two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054
# From fewer groups it cannot be told how much groups differ.
FEW_GROUPS = 4


def confusion(truth: Numbers, answer: Numbers, classes: int) -> Numbers:
    """Counts of shape (classes, classes): rows are the truth, columns the answer."""
    counts = np.bincount(truth * classes + answer, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def accuracy(truth: Numbers, answer: Numbers) -> float:
    """Share of right answers."""
    return float(np.mean(truth == answer)) if len(truth) else 0.0


def class_scores(matrix: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 by class from a confusion matrix; 0 where they are not defined."""
    right = np.diag(matrix).astype(np.float64)
    answered, true = matrix.sum(axis=0), matrix.sum(axis=1)
    precision = np.divide(right, answered, out=np.zeros_like(right), where=answered > 0)
    recall = np.divide(right, true, out=np.zeros_like(right), where=true > 0)
    both = answered + true
    f1 = np.divide(2 * right, both, out=np.zeros_like(right), where=both > 0)
    return precision, recall, f1


def macro_f1(truth: Numbers, answer: Numbers, classes: int) -> float:
    """Mean F1 over the classes that occur in the truth or in the answers."""
    matrix = confusion(truth, answer, classes)
    present = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    return float(class_scores(matrix)[2][present].mean()) if present.any() else 0.0


def wilson(right: int, total: int) -> Interval:
    """Share with its 95 % score interval (Wilson, 1927); holds for independent samples only."""
    if total == 0:
        return Interval(value=0.0, low=0.0, high=1.0, method="wilson")
    share, z2 = right / total, Z95 * Z95
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half), method="wilson")


def bootstrap_by_group(
    groups: NDArray[np.generic],
    statistic: Callable[[Numbers], float],
    *,
    repeats: int = 1000,
    seed: int = 0,
    method: str = "bootstrap by group",
) -> Interval:
    """A figure with its 95 % percentile interval when whole groups (people, machines) are drawn anew.

    Args:
        groups: group of each sample, shape (n,).
        statistic: from indices of samples (repeated ones come repeatedly) to the figure.
        repeats: draws.
        seed: of the draws.
        method: what to call it.
    """
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(repeats):
        chosen = generator.integers(0, len(names), len(names))
        length = sizes[chosen]
        # The members of the chosen groups one after the other, without a loop over the groups.
        shift = np.repeat(starts[chosen] - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
        drawn.append(statistic(order[np.arange(int(length.sum())) + shift]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = statistic(np.arange(len(groups), dtype=np.int64))
    return Interval(value=value, low=float(low), high=float(high), method=method)


def accuracy_interval(truth: Numbers, answer: Numbers, groups: NDArray[np.generic] | None) -> Interval:
    """Accuracy with its interval: by group where at least two are known, else Wilson's."""
    right = truth == answer
    alone = wilson(int(right.sum()), len(right))
    return widened(alone, groups, lambda indices: float(right[indices].mean()))


def macro_f1_interval(
    truth: Numbers, answer: Numbers, classes: int, groups: NDArray[np.generic] | None, repeats: int = 1000
) -> Interval:
    """Macro-F1 with its interval: by group where at least two are known, else by sample."""

    def statistic(indices: Numbers) -> float:
        return macro_f1(truth[indices], answer[indices], classes)

    alone = bootstrap_by_group(np.arange(len(truth)), statistic, repeats=repeats, method="bootstrap by sample")
    return widened(alone, groups, statistic, repeats)


def regression_intervals(error: NDArray[np.floating], groups: NDArray[np.generic] | None) -> dict[str, Interval]:
    """'mae' and 'rmse' of the errors with their intervals: by group where at least two are known, else by sample."""
    size = np.abs(np.asarray(error, np.float64))
    square = size**2
    repeats = 1000 if len(size) < 20_000 else 200

    def made(statistic: Callable[[Numbers], float]) -> Interval:
        by_sample = np.arange(len(size))
        alone = bootstrap_by_group(by_sample, statistic, repeats=repeats, method="bootstrap by sample")
        return widened(alone, groups, statistic, repeats)

    return {
        "mae": made(lambda rows: float(size[rows].mean())),
        "rmse": made(lambda rows: math.sqrt(float(square[rows].mean()))),
    }


def widened(
    alone: Interval, groups: NDArray[np.generic] | None, statistic: Callable[[Numbers], float], repeats: int = 1000
) -> Interval:
    """The interval by group, never narrower than the one in which every sample stands for itself.

    Few groups that happen to be alike give a bootstrap narrower than even their samples allow. Where there are too
    few groups to tell how much they differ, the method says so.

    Args:
        alone: as if all samples were independent.
        groups: of each sample, None where unknown; with one group only, `alone` is all that can be said.
        statistic: as for `bootstrap_by_group`.
        repeats: draws.
    """
    known = 0 if groups is None else len(np.unique(groups))
    if groups is None or known < 2:
        return msgspec.structs.replace(alone, method=f"{alone.method}, within one group") if known else alone
    few = f", too narrow: {known} groups" if known < FEW_GROUPS else ""
    drawn = bootstrap_by_group(groups, statistic, repeats=repeats, method=f"bootstrap by group{few}")
    return msgspec.structs.replace(drawn, low=min(drawn.low, alone.low), high=max(drawn.high, alone.high))


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins of confidence (Naeini, 2015)."""
    if len(right) == 0:
        return 0.0
    place = np.minimum((np.asarray(confidence, np.float64) * bins).astype(np.int64), bins - 1)
    total = np.bincount(place, minlength=bins)
    confident = np.bincount(place, weights=confidence, minlength=bins)
    correct = np.bincount(place, weights=right, minlength=bins)
    return float(np.abs(confident - correct)[total > 0].sum() / len(right))


def ties(probabilities: NDArray[np.floating]) -> int:
    """Samples whose largest probability is shared by two classes or more."""
    if probabilities.shape[1] < 2:
        return 0
    largest = np.sort(probabilities, axis=1)[:, -2:]
    return int(np.sum(largest[:, 0] == largest[:, 1]))


def regression(truth: NDArray[np.floating], answer: NDArray[np.floating]) -> dict[str, float]:
    """Mean absolute error, root mean squared error and coefficient of determination, as 'mae', 'rmse', 'r2'."""
    error = np.asarray(answer, np.float64) - np.asarray(truth, np.float64)
    spread = float(np.sum((truth - np.mean(truth)) ** 2))
    return {**errors(error), "r2": 1.0 - float(np.sum(error**2)) / spread if spread > 0 else 0.0}


def errors(error: NDArray[np.float64]) -> dict[str, float]:
    """Mean absolute and root mean squared error, as 'mae' and 'rmse'."""
    return {"mae": float(np.mean(np.abs(error))), "rmse": math.sqrt(float(np.mean(error**2)))}
