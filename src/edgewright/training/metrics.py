"""How good predictions are, with intervals, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from edgewright.schema.trace import Interval

Numbers = NDArray[np.int64]
# Two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054
# Up to so many groups, groups drawn anew give intervals that are too narrow, and no interval of a gain excludes zero.
FEW_GROUPS = 10
# Of confidence, in the calibration error.
BINS = 10
ANY = (-math.inf, math.inf)
SHARE = (0.0, 1.0)


def confusion(truth: Numbers, answer: Numbers, classes: int) -> Numbers:
    """Return counts of shape (classes, classes): rows are the truth, columns the answer."""
    counts = np.bincount(truth * classes + answer, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def accuracy(truth: Numbers, answer: Numbers) -> float:
    """Return share of right answers."""
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
    """Return mean F1 over the classes that occur in the truth or in the answers."""
    matrix = confusion(truth, answer, classes)
    present = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    return float(class_scores(matrix)[2][present].mean()) if present.any() else 0.0


def wilson(right: float, total: int) -> Interval:
    """Return share with its 95 % score interval (Wilson, 1927); holds for independent samples only."""
    if total == 0:
        return Interval(value=0.0, low=0.0, high=1.0, method="wilson")
    share, z2 = right / total, Z95 * Z95
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half), method="wilson")


def jackknife(statistic: Callable[[Numbers], float], groups: NDArray[np.generic]) -> tuple[float, float, int]:
    """Compute a figure and its standard error by leaving out each group once (Efron and Stein, 1981).

    Args:
        statistic: from indices of samples to the figure.
        groups: group of each sample, shape (n,).

    Returns:
        The figure of all samples, its standard error and the number of groups.
    """
    names, numbers = np.unique(groups, return_inverse=True)
    count = len(names)
    without = np.array([statistic(np.flatnonzero(numbers != group)) for group in range(count)])
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return statistic(np.arange(len(groups), dtype=np.int64)), error, count


def student_t(freedom: int, level: float = 0.95) -> float:
    """Compute the two-sided point of Student's t with so many degrees of freedom."""
    return float(stdtrit(freedom, 0.5 + level / 2))


def jackknife_interval(
    statistic: Callable[[Numbers], float],
    groups: NDArray[np.generic],
    by: str,
    within: tuple[float, float] = ANY,
    level: float = 0.95,
) -> Interval:
    """Compute a figure with its jackknife interval by Student's t: with few groups it is as wide as it must be.

    Args:
        statistic: from indices of samples to the figure.
        groups: group of each sample, shape (n,); at least two groups.
        by: what the groups are, for the method's name.
        within: limits of the figure itself.
        level: of the interval.
    """
    value, error, count = jackknife(statistic, groups)
    half = student_t(count - 1, level) * error
    method = f"jackknife by {by}, t with {count - 1} degrees of freedom, {100 * level:.3g} %"
    return Interval(value=value, low=max(within[0], value - half), high=min(within[1], value + half), method=method)


def group_interval(
    groups: NDArray[np.generic],
    statistic: Callable[[Numbers], float],
    *,
    by: str = "group",
    within: tuple[float, float] = ANY,
    repeats: int = 1000,
    seed: int = 0,
) -> Interval:
    """Compute a figure with its 95 % interval over groups that stay whole (people, machines).

    Many groups are drawn anew (percentile bootstrap); with up to `FEW_GROUPS` the jackknife takes its place.

    Args:
        groups: group of each sample, shape (n,).
        statistic: from indices of samples (repeated ones come repeatedly) to the figure.
        by: what the groups are, for the method's name.
        within: limits of the figure itself.
        repeats: draws.
        seed: of the draws.
    """
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if 1 < len(names) <= FEW_GROUPS:
        return jackknife_interval(statistic, groups, by, within)
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
    return Interval(value=value, low=float(low), high=float(high), method=f"bootstrap by {by}")


def accuracy_interval(truth: Numbers, answer: Numbers, groups: NDArray[np.generic] | None) -> Interval:
    """Accuracy with its interval: by group where at least two are known, else Wilson's."""
    right = truth == answer
    alone = wilson(int(right.sum()), len(right))
    return widened(alone, groups, lambda indices: float(right[indices].mean()), SHARE)


def macro_f1_interval(
    truth: Numbers, answer: Numbers, classes: int, groups: NDArray[np.generic] | None, repeats: int = 1000
) -> Interval:
    """Macro-F1 with its interval: by group where at least two are known, else by sample."""

    def statistic(indices: Numbers) -> float:
        return macro_f1(truth[indices], answer[indices], classes)

    alone = group_interval(np.arange(len(truth)), statistic, by="sample", within=SHARE, repeats=repeats)
    return widened(alone, groups, statistic, SHARE, repeats)


def regression_intervals(error: NDArray[np.floating], groups: NDArray[np.generic] | None) -> dict[str, Interval]:
    """'mae' and 'rmse' of the errors with their intervals: by group where at least two are known, else by sample."""
    size = np.abs(np.asarray(error, np.float64))
    square = size**2
    repeats, within = 1000 if len(size) < 20_000 else 200, (0.0, math.inf)

    def made(statistic: Callable[[Numbers], float]) -> Interval:
        by_sample = np.arange(len(size))
        alone = group_interval(by_sample, statistic, by="sample", within=within, repeats=repeats)
        return widened(alone, groups, statistic, within, repeats)

    return {
        "mae": made(lambda rows: float(size[rows].mean())),
        "rmse": made(lambda rows: math.sqrt(float(square[rows].mean()))),
    }


def widened(
    alone: Interval,
    groups: NDArray[np.generic] | None,
    statistic: Callable[[Numbers], float],
    within: tuple[float, float] = ANY,
    repeats: int = 1000,
) -> Interval:
    """Compute the interval by group, never narrower than the one in which every sample stands for itself.

    Args:
        alone: as if all samples were independent.
        groups: of each sample, None where unknown; with one group only, `alone` is all that can be said.
        statistic: as for `group_interval`.
        within: limits of the figure itself.
        repeats: draws.
    """
    known = 0 if groups is None else len(np.unique(groups))
    if groups is None or known < 2:
        return msgspec.structs.replace(alone, method=f"{alone.method}, within one group") if known else alone
    found = group_interval(groups, statistic, within=within, repeats=repeats)
    return msgspec.structs.replace(found, low=min(found.low, alone.low), high=max(found.high, alone.high))


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Compute the expected calibration error over bins of confidence (Naeini et al., 2015)."""
    if len(right) == 0:
        return 0.0
    location = np.minimum((np.asarray(confidence, np.float64) * BINS).astype(np.int64), BINS - 1)
    total = np.bincount(location, minlength=BINS)
    confident = np.bincount(location, weights=confidence, minlength=BINS)
    correct = np.bincount(location, weights=right, minlength=BINS)
    return float(np.abs(confident - correct)[total > 0].sum() / len(right))


def ties(probabilities: NDArray[np.floating]) -> int:
    """Return the sample whose largest probability is shared by two classes or more."""
    if probabilities.shape[1] < 2:
        return 0
    largest = np.sort(probabilities, axis=1)[:, -2:]
    return int(np.sum(largest[:, 0] == largest[:, 1]))


def regression(truth: NDArray[np.floating], answer: NDArray[np.floating]) -> dict[str, float]:
    """Return mean absolute error, root mean squared error and coefficient of determination, as 'mae', 'rmse', 'r2'."""
    error = np.asarray(answer, np.float64) - np.asarray(truth, np.float64)
    spread = float(np.sum((truth - np.mean(truth)) ** 2))
    return {**errors(error), "r2": 1.0 - float(np.sum(error**2)) / spread if spread > 0 else 0.0}


def errors(error: NDArray[np.float64]) -> dict[str, float]:
    """Return mean absolute and root mean squared error, as 'mae' and 'rmse'."""
    return {"mae": float(np.mean(np.abs(error))), "rmse": math.sqrt(float(np.mean(error**2)))}
