"""Figures of groups that judged: of all of them with an interval, and without the one that did worst."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.core.formatting import measure_word
from edgewright.schema.errors import UnknownNameError
from edgewright.schema.job import JobFigure
from edgewright.schema.trace import GroupRow
from edgewright.training.metrics import ANY, SHARE, Numbers, class_scores, group_interval

Array = np.ndarray[tuple[int], np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
WITHOUT, MIDDLE = "_without_worst", "_without_best_and_worst"


@dataclass(frozen=True)
class GroupAnswers:
    """Answers to the samples of some groups.

    Attributes:
        labels: names of the classes; an answer that is missing has a column of its own behind them.
        groups: names.
        matrices: counts, rows the truth and columns the answer, shape (groups, n, n) with n at least the labels.
    """

    labels: tuple[str, ...]
    groups: tuple[str, ...]
    matrices: Numbers

    @property
    def accuracies(self) -> Array:
        """Share of right answers of each group."""
        right = np.trace(self.matrices, axis1=1, axis2=2)
        return np.asarray(right / np.maximum(self.matrices.sum(axis=(1, 2)), 1), np.float64)


def judged_of(labels: Sequence[str], rows: Sequence[GroupRow], samples: int) -> GroupAnswers | None:
    """Return the answers by group of an evaluation; None where it does not hold those of every sample."""
    known = [row for row in rows if row.confusion]
    if len(known) < 2 or sum(row.samples for row in known) != samples:
        return None
    known.sort(key=lambda row: row.group)
    matrices = np.array([row.confusion for row in known], np.int64)
    return GroupAnswers(tuple(labels), tuple(row.group for row in known), matrices)


def share_figures(
    answers: GroupAnswers, names: Sequence[str], prefix: str = "", title: str = "", *, extremes: bool = False
) -> list[JobFigure]:
    """Return figures over all groups, and each without the group that has the lowest accuracy.

    Args:
        answers: two groups at least.
        names: 'accuracy', 'macro_f1', and 'f1_LABEL'.
        prefix: of the figures' names.
        title: what stands before their titles.
        extremes: also without the two groups of the lowest and the highest accuracy, where that leaves two or more.
    """
    # Of equal ones the last is the best, so that one group is never both.
    worst, best = int(answers.accuracies.argmin()), len(answers.groups) - 1 - int(answers.accuracies[::-1].argmax())
    middle = np.array([row for row in range(len(answers.groups)) if row not in (worst, best)])
    figures = []
    for name in names:
        words = {"accuracy": "accuracy", "macro_f1": "macro F1"}.get(name, f"F1 of {name.removeprefix('f1_')}")
        statistic = _statistic(answers, name)
        figures += with_and_without(f"{prefix}{name}", f"{title}{words}", answers.groups, worst, statistic, SHARE)
        if extremes and len(middle) > 1:
            behind = (
                f"{title}{words} without the best and the worst, {answers.groups[best]} and {answers.groups[worst]}"
            )
            figures.append(over_groups(f"{prefix}{name}{MIDDLE}", behind, middle, statistic, SHARE))
    return figures


def with_and_without(
    name: str,
    title: str,
    groups: Sequence[str],
    worst: int,
    statistic: Callable[[Numbers], float],
    within: tuple[float, float] = ANY,
    unit: str = "",
    joint: str = " ",
) -> list[JobFigure]:
    """Return a figure over all groups, and where there are several the same without the worst of them.

    Args:
        name: name of the figure.
        title: in words.
        groups: their names.
        worst: number of the group that the second figure leaves out.
        statistic: from the numbers of groups to the figure.
        within: limits of the figure itself.
        unit: as a `JobFigure` has it.
        joint: between the title and 'without the worst'.
    """
    everybody = np.arange(len(groups))
    figures = [over_groups(name, title, everybody, statistic, within, unit)]
    if len(groups) > 1:
        kept, behind = everybody[everybody != worst], f"{title}{joint}without the worst, {groups[worst]}"
        figures.append(over_groups(f"{name}{WITHOUT}", behind, kept, statistic, within, unit))
    return figures


def ratio(part: Array, whole: Array) -> Callable[[Numbers], float]:
    """Return the statistic that sums one amount over another, of some groups; 0 where there is nothing of it."""

    def statistic(rows: Numbers) -> float:
        total = float(whole[rows].sum())
        return float(part[rows].sum()) / total if total else 0.0

    return statistic


def class_names(labels: Sequence[str], classes: Sequence[str], where: str) -> list[str]:
    """Return the names of the F1 of classes.

    Raises:
        UnknownNameError: a class that is none.
    """
    for label in classes:
        if label not in labels:
            raise UnknownNameError("class", label, list(labels), where)
    return [f"f1_{label}" for label in classes]


def error_figures(rows: Sequence[GroupRow]) -> list[JobFigure]:
    """Return the errors of amounts without the group that has the largest one."""
    known = [row for row in rows if {"mae", "rmse"} <= row.regression.keys()]
    if len(known) < 2:
        return []
    worst = max(range(len(known)), key=lambda number: known[number].regression["rmse"])
    kept = [row for number, row in enumerate(known) if number != worst]
    counts = np.array([row.samples for row in kept], np.float64)
    absolute = np.array([row.regression["mae"] for row in kept]) * counts
    squared = np.array([row.regression["rmse"] for row in kept]) ** 2 * counts
    mae, square = ratio(absolute, counts), ratio(squared, counts)
    behind = f"without the worst, {known[worst].group}"
    everybody = np.arange(len(kept))
    return [
        over_groups(f"{name}{WITHOUT}", f"{measure_word(name)} {behind}", everybody, statistic, (0.0, math.inf), "1")
        for name, statistic in (("rmse", lambda rows: math.sqrt(square(rows))), ("mae", mae))
    ]


def over_groups(
    name: str,
    title: str,
    groups: Numbers,
    statistic: Callable[[Numbers], float],
    within: tuple[float, float] = ANY,
    unit: str = "",
) -> JobFigure:
    """Return a figure with its interval over groups; one group alone has none.

    Args:
        name: name of the figure.
        title: in words.
        groups: that count, as numbers.
        statistic: from the numbers of groups to the figure.
        within: limits of the figure itself.
        unit: as a `JobFigure` has it.
    """
    if len(groups) < 2:
        return JobFigure.of(name, title, statistic(groups), unit)
    interval = group_interval(groups, lambda rows: statistic(groups[rows]), within=within)
    return JobFigure.of_interval(name, title, interval, unit)


def share_of(name: str, title: str, hits: Flags, groups: np.ndarray[Any, Any], by: str = "group") -> JobFigure:
    """Return the share of samples that are hit, with its interval over the groups that they are of."""
    interval = group_interval(groups, lambda rows: float(hits[rows].mean()), by=by, within=SHARE)
    return JobFigure.of_interval(name, title, interval)


def _statistic(answers: GroupAnswers, name: str) -> Callable[[Numbers], float]:
    matrices, labels = answers.matrices, len(answers.labels)

    def accuracy(rows: Numbers) -> float:
        whole = matrices[rows].sum(axis=0)
        return float(np.trace(whole) / max(int(whole.sum()), 1))

    def macro_f1(rows: Numbers) -> float:
        whole = matrices[rows].sum(axis=0)
        present = (whole.sum(axis=0) + whole.sum(axis=1))[:labels] > 0
        return float(class_scores(whole)[2][:labels][present].mean())

    def of_class(rows: Numbers) -> float:
        index = answers.labels.index(name.removeprefix("f1_"))
        return float(class_scores(matrices[rows].sum(axis=0))[2][index])

    return {"accuracy": accuracy, "macro_f1": macro_f1}.get(name, of_class)
