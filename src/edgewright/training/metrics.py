"""How good predictions are, with intervals, in NumPy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from edgewright.core.records.trace import GroupRow, Interval

Numbers = NDArray[np.int64]
# Two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054
# Up to so many groups no interval of a gain excludes zero: an exact test decides.
FEW_GROUPS = 10
# More groups than this are dealt into so many blocks, so that leaving each out once stays cheap.
BLOCKS = 100
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


def balanced_accuracy(truth: Numbers, answer: Numbers) -> float:
    """Return the mean recall over the classes that occur in the truth."""
    counts = np.bincount(truth)
    recall = np.bincount(truth, weights=truth == answer)[counts > 0] / counts[counts > 0]
    return float(recall.mean())


def average_precision(wanted: NDArray[np.bool_], score: NDArray[np.floating]) -> float:
    """Compute the average precision of the wanted samples, 0 without any; equal scores share one threshold."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(wanted[order])
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    if not wanted.any():
        return 0.0
    recall = hits[ends] / wanted.sum()
    return float((np.diff(recall, prepend=0.0) * hits[ends] / (ends + 1.0)).sum())


ClassMetric = Literal["accuracy", "balanced-accuracy", "average-precision"]
# With two classes, a class below this fraction is rare, and finding it is what counts.
RARE_FRACTION = 0.1
# If the largest class exceeds an equal share by this factor, each class gets the same weight.
UNEVEN_RATIO = 1.4


def default_class_metric(counts: NDArray[np.integer]) -> ClassMetric:
    """Return the metric by which classifiers are chosen and judged.

    Args:
        counts: samples of each class, shape (classes,).
    """
    fractions = counts / max(1, counts.sum())
    if len(counts) == 2 and fractions.min() < RARE_FRACTION:
        return "average-precision"
    return "balanced-accuracy" if fractions.max() > UNEVEN_RATIO / len(counts) else "accuracy"


def wilson(right: float, total: int) -> Interval:
    """Return share with its 95 % score interval (Wilson, 1927); holds for independent samples only."""
    if total == 0:
        return Interval(value=0.0, low=0.0, high=1.0, method="wilson")
    return score_interval(right / total, total, Z95)


def score_interval(share: float, total: float, point: float) -> Interval:
    """Return the score interval of a share of so many independent samples; `point` is of the normal distribution or t.

    Wilson, 1927.
    """
    square = point * point
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = point * math.sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half), method="wilson")


def jackknife(statistic: Callable[[Numbers], float], groups: NDArray[np.generic]) -> tuple[float, float, int]:
    """Compute a figure and its standard error by leaving out each group once (Efron and Stein, 1981).

    Args:
        statistic: from indices of samples to the figure.
        groups: group of each sample, shape (n,).

    Returns:
        The figure of all samples, its standard error and the number of groups.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    without = np.array([statistic(np.flatnonzero(numbers != group)) for group in range(count)])
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return statistic(np.arange(len(groups), dtype=np.int64)), error, count


def student_t(freedom: float, level: float = 0.95) -> float:
    """Compute the two-sided point of Student's t with so many degrees of freedom."""
    return float(stdtrit(freedom, 0.5 + level / 2))


def group_interval(
    groups: NDArray[np.generic],
    statistic: Callable[[Numbers], float],
    *,
    by: str = "group",
    within: tuple[float, float] = ANY,
    samples: float = math.inf,
    level: float = 0.95,
) -> Interval:
    """Compute a figure with its t interval over groups that stay whole (people, machines).

    The standard error is the jackknife's over groups; above `BLOCKS` groups, over blocks of whole groups. The degrees
    of freedom are one less than the groups of equal size that would tell as much (Kish, 1965). A share gets the score
    interval of so many independent samples as have that standard error (Kott and Carr, 1997), which stays within 0 and
    1 and is as lopsided as it must be. `python -m benchmarks.intervals` compares it with other methods.

    Args:
        groups: group of each sample, shape (n,).
        statistic: from indices of samples to the figure.
        by: what the groups are, for the method's name.
        within: limits of the figure itself; `SHARE` for a share.
        samples: behind a share; they alone speak where all groups are alike.
        level: of the interval.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    count = int(numbers.max(initial=0)) + 1
    if count > BLOCKS:
        numbers, count = np.random.default_rng(0).permutation(count)[numbers] % BLOCKS, BLOCKS
    if count < 2:
        value = statistic(np.arange(len(groups), dtype=np.int64))
        low, high = (end if math.isfinite(end) else value for end in within)
        return Interval(value=value, low=low, high=high, method=f"a single {by}: no interval")
    value, error, _ = jackknife(statistic, numbers)
    freedom = max(1.0, effective(np.bincount(numbers)) - 1)
    low, high = ends(value, error, student_t(freedom, level), within, samples)
    blocks = f", {BLOCKS} blocks" if count == BLOCKS else ""
    method = f"t interval by {by}{blocks}, {freedom:.3g} degrees of freedom, {100 * level:.3g} %"
    return Interval(value=value, low=low, high=high, method=method)


def mean_interval(
    values: NDArray[np.floating], by: str, within: tuple[float, float] = ANY, samples: float = math.inf
) -> Interval:
    """Compute the mean of a figure of each group with its t interval; arguments as for `group_interval`."""
    return group_interval(
        np.arange(len(values)), lambda rows: float(values[rows].mean()), by=by, within=within, samples=samples
    )


def paired_gain(first: Sequence[GroupRow], other: Sequence[GroupRow], alike: bool) -> Interval | None:
    """Return the gain in accuracy of the second over the first with its t interval over the groups.

    Args:
        first: accuracies of groups.
        other: of the same samples of the same groups.
        alike: whether each group counts alike; else it counts by its samples.

    Returns:
        None for fewer than two groups, other ones, other numbers of samples, or amounts.
    """
    pairs = [{row.group: row for row in rows} for rows in (first, other)]
    sizes, scores = ([{k: getattr(row, field) for k, row in rows.items()} for rows in pairs]
                     for field in ("samples", "accuracy"))  # fmt: skip
    if len(sizes[0]) < 2 or sizes[0] != sizes[1] or None in (*scores[0].values(), *scores[1].values()):
        return None
    weights = np.array([1 if alike else size for size in sizes[0].values()], np.float64)
    gains = np.array([scores[1][group] - score for group, score in scores[0].items()])
    return group_interval(np.arange(len(gains)), lambda rows: float(np.average(gains[rows], weights=weights[rows])))


def effective(sizes: NDArray[np.int64]) -> float:
    """Return how many groups of equal size tell as much as groups of these sizes (Kish, 1965)."""
    return float(sizes.sum()) ** 2 / float((sizes.astype(np.float64) ** 2).sum())


def ends(
    value: float, error: float, point: float, within: tuple[float, float], samples: float = math.inf
) -> tuple[float, float]:
    """Return the ends of an interval: symmetric and clipped, or for a share those of the score interval.

    Args:
        value: the figure.
        error: its standard error.
        point: of Student's t.
        within: limits of the figure; `SHARE` for a share.
        samples: behind a share without a standard error.
    """
    if within != SHARE:
        return max(within[0], value - point * error), min(within[1], value + point * error)
    spread = max(0.0, value * (1 - value))
    interval = score_interval(value, spread / error**2 if spread and error else samples, point)
    return interval.low, interval.high


def accuracy_interval(truth: Numbers, answer: Numbers, groups: NDArray[np.generic] | None) -> Interval:
    """Accuracy with its interval: by group where at least two are known, else Wilson's."""
    right = truth == answer
    alone = wilson(int(right.sum()), len(right))
    return widened(alone, groups, lambda indices: float(right[indices].mean()), SHARE)


def macro_f1_interval(truth: Numbers, answer: Numbers, classes: int, groups: NDArray[np.generic] | None) -> Interval:
    """Macro-F1 with its interval: by group where at least two are known, else by sample."""
    return interval_of(groups, len(truth), lambda rows: macro_f1(truth[rows], answer[rows], classes), SHARE)


def regression_intervals(error: NDArray[np.floating], groups: NDArray[np.generic] | None) -> dict[str, Interval]:
    """'mae' and 'rmse' of the errors with their intervals: by group where at least two are known, else by sample."""
    size, within = np.abs(np.asarray(error, np.float64)), (0.0, math.inf)
    return {
        "mae": interval_of(groups, len(size), lambda rows: float(size[rows].mean()), within),
        "rmse": interval_of(groups, len(size), lambda rows: math.sqrt(float((size[rows] ** 2).mean())), within),
    }


def interval_of(
    groups: NDArray[np.generic] | None,
    samples: int,
    statistic: Callable[[Numbers], float],
    within: tuple[float, float] = ANY,
    by: str = "sample",
) -> Interval:
    """Compute the interval by group where at least two are known, never narrower than the interval by sample.

    Args:
        groups: of each sample, None where unknown.
        samples: their number.
        statistic: as for `group_interval`.
        within: limits of the figure itself.
        by: what a sample is.
    """
    return widened(group_interval(np.arange(samples), statistic, by=by, within=within), groups, statistic, within)


def widened(
    alone: Interval,
    groups: NDArray[np.generic] | None,
    statistic: Callable[[Numbers], float],
    within: tuple[float, float] = ANY,
) -> Interval:
    """Compute the interval by group, never narrower than the one in which every sample stands for itself.

    Args:
        alone: as if all samples were independent.
        groups: of each sample, None where unknown; with one group only, `alone` is all that can be said.
        statistic: as for `group_interval`.
        within: limits of the figure itself.
    """
    known = 0 if groups is None else len(np.unique(groups))
    if groups is None or known < 2:
        return msgspec.structs.replace(alone, method=f"{alone.method}, within one group") if known else alone
    return wider(group_interval(groups, statistic, within=within, samples=len(groups)), alone)


def wider(first: Interval, other: Interval) -> Interval:
    """Return the first interval, with the outer ends of both."""
    return msgspec.structs.replace(first, low=min(first.low, other.low), high=max(first.high, other.high))


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Compute the expected calibration error over bins of confidence (Naeini et al., 2015)."""
    return float(np.abs(_by_bin(confidence, np.asarray(confidence, np.float64) - right)).sum() / max(1, len(right)))


def chance_calibration_error(confidence: NDArray[np.floating]) -> float:
    """Compute the calibration error that answers exactly as sure as they are right have on average, by chance alone.

    The gap of a bin is a sum of independent errors. Its mean size is that of a normal variable, and at most the sum of
    the errors' own mean sizes, 2 c (1 - c) each, which is less where answers are very sure.
    """
    sure = np.clip(np.asarray(confidence, np.float64), 0.0, 1.0)
    variance = _by_bin(sure, sure * (1 - sure))
    return float(np.minimum(np.sqrt(2 / math.pi * variance), 2 * variance).sum() / max(1, len(sure)))


def _by_bin(confidence: NDArray[np.floating], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of values over bins of confidence."""
    location = np.minimum((np.asarray(confidence, np.float64) * BINS).astype(np.int64), BINS - 1)
    return np.asarray(np.bincount(location, weights=values, minlength=BINS), np.float64)


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


Scores = NDArray[Any]
_DRAWS = 500


def auroc(inside: Scores, outside: Scores) -> float:
    """Compute the share of pairs in which the one inside has the larger score, ties half: area under the ROC curve."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    upto = np.searchsorted(ordered, inside, side="right")
    return float(np.mean((below + upto) / 2) / len(outside)) if len(outside) and len(inside) else 0.0


def auroc_interval(inside: Scores, outside: Scores) -> Interval:
    """Compute the area with its interval of 95 %: both sides are drawn anew, or left out one by one where one is few.

    Few samples that are all apart from the other side still tell little: the interval is never narrower than that of
    as many samples each of which is right or wrong.

    Args:
        inside: scores of samples that should have large ones, shape (n,).
        outside: scores of the others, shape (m,).
    """
    area, few = auroc(inside, outside), min(len(inside), len(outside))
    alone = wilson(round(area * few), few)
    if few < 2:
        return msgspec.structs.replace(alone, value=area)
    if few > FEW_GROUPS:
        random = np.random.default_rng(0)
        areas = [
            auroc(inside[random.integers(len(inside), size=len(inside))],
                  outside[random.integers(len(outside), size=len(outside))])
            for _ in range(_DRAWS)
        ]  # fmt: skip
        low, high = np.quantile(areas, [0.025, 0.975])
        return Interval(value=area, low=float(low), high=float(high), method="bootstrap of both sides")
    _, own, _ = jackknife(lambda rows: auroc(inside[rows], outside), np.arange(len(inside)))
    _, other, _ = jackknife(lambda rows: auroc(inside, outside[rows]), np.arange(len(outside)))
    half = student_t(few - 1) * math.hypot(own, other)
    return Interval(
        value=area, low=min(alone.low, max(0.0, area - half)), high=max(alone.high, min(1.0, area + half)),
        method=f"jackknife of both sides, t with {few - 1} degrees of freedom, 95 %",
    )  # fmt: skip


# Share of equal pairs that may be told apart by mistake.
ERROR = 0.05
# From flags of the groups whose two answers are exchanged, shape (n,), to the difference of the two.
Difference = Callable[[NDArray[np.bool_]], float]


def exchange(difference: Difference, groups: int) -> NDArray[np.float64]:
    """Compute a difference for each exchange of whole groups, the first as measured.

    Exchanging the other groups gives the same with the other sign, so half of the 2^n exchanges are enough.

    Args:
        difference: of two answers, by which groups are exchanged.
        groups: number of groups.
    """
    swaps = itertools.product((False, True), repeat=groups - 1)
    return np.array([difference(np.array((False, *some))) for some in swaps])


def probabilities(differences: Mapping[str, Difference], groups: int) -> dict[str, float]:
    """Compute the two-sided p of each difference, corrected for the others.

    Args:
        differences: by name.
        groups: number of groups.

    Returns:
        How often chance makes so large a difference, by name.
    """
    spread = {name: exchange(difference, groups) for name, difference in differences.items()}
    scaled = {name: np.abs(x) / max(math.sqrt(float((x**2).mean())), 1e-12) for name, x in spread.items()}
    if not scaled:
        return {}
    largest = np.max(list(scaled.values()), axis=0)
    return {name: float((largest >= x[0] - 1e-9).mean()) for name, x in scaled.items()}


def of_sums(first: NDArray[np.float64], other: NDArray[np.float64], figure: Callable[[float], float]) -> Difference:
    """Make the difference of two figures that are computed from sums over groups.

    Args:
        first: sum of each group, shape (n,), such as costs or errors.
        other: likewise, of the other model.
        figure: from the sum over all groups to the figure.

    Returns:
        The figure of `first` less that of `other`.
    """

    def difference(swapped: NDArray[np.bool_]) -> float:
        return figure(float(np.where(swapped, other, first).sum())) - figure(
            float(np.where(swapped, first, other).sum())
        )

    return difference


def smallest_p(groups: int) -> float:
    """Compute the smallest two-sided p that so many groups can give: all of them agree."""
    return 2.0 / 2.0**groups


def power(groups: int, kept: str, plural: str = "") -> str:
    """Say what a paired test over so many groups can show.

    Args:
        groups: number of them.
        kept: what one is called.
        plural: what several are called; an s is added when empty.
    """
    smallest, many = smallest_p(groups), plural or f"{kept}s"
    if smallest > ERROR:
        counted = f"1 {kept}" if groups == 1 else f"{groups} {many}"
        return f"with {counted} no difference can be significant at 5 %: the smallest p is {smallest:.3g}"
    agree = next(k for k in range(groups // 2, groups + 1) if sign_test(k, groups) <= ERROR)
    which = f"all {groups}" if agree == groups else f"at least {agree} of {groups}"
    return (
        f"with {groups} {many} the smallest p is {smallest:.2g}: by the sign test a difference is shown at 5 % only "
        f"if {which} {many} agree"
    )


def sign_test(agree: int, groups: int) -> float:
    """Compute the two-sided p of the exact sign test.

    Args:
        agree: groups that speak for one side, at least half of them.
        groups: those that speak for either side.
    """
    return min(1.0, 2.0 * sum(math.comb(groups, k) for k in range(agree, groups + 1)) / 2.0**groups)
