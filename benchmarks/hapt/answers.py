"""Answers to windows of several people, and what they are worth: figures with intervals over people."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edgewright.core.records.trace import Interval
from edgewright.training import metrics

Text = NDArray[np.str_]


@dataclass(frozen=True)
class Answers:
    """True labels, answers and people of windows, (n,) each."""

    truth: Text
    answer: Text
    people: Text

    @property
    def labels(self) -> Text:
        """The classes, sorted."""
        return np.unique(self.truth)

    def _numbers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        names = self.labels
        return np.searchsorted(names, self.truth), np.searchsorted(names, self.answer)

    def accuracy(self) -> Interval:
        """Over all windows, with the interval of drawing people anew."""
        truth, answer = self._numbers()
        return metrics.accuracy_interval(truth, answer, self.people)

    def macro_f1(self) -> Interval:
        """Over all windows, with the interval of drawing people anew."""
        truth, answer = self._numbers()
        classes = len(self.labels)
        return metrics.group_interval(self.people, lambda i: metrics.macro_f1(truth[i], answer[i], classes))

    def by_person(self, figure: Callable[[Answers], float]) -> dict[str, float]:
        """Return a figure for each person, in the order of their numbers."""
        names = sorted(np.unique(self.people), key=int)
        figures_by_name = {}
        for name in names:
            here = self.people == name
            figures_by_name[str(name)] = figure(Answers(self.truth[here], self.answer[here], self.people[here]))
        return figures_by_name

    def confusion(self) -> NDArray[np.int64]:
        """Count, rows are the truth, columns the answer."""
        truth, answer = self._numbers()
        return metrics.confusion(truth, answer, len(self.labels))


def share_right(answers: Answers) -> float:
    """Accuracy of some windows."""
    return float(np.mean(answers.truth == answers.answer))


def f1_of_present(answers: Answers) -> float:
    """Macro-F1 over the classes that occur."""
    names = np.unique(np.concatenate([answers.truth, answers.answer]))
    truth, answer = np.searchsorted(names, answers.truth), np.searchsorted(names, answers.answer)
    return metrics.macro_f1(truth, answer, len(names))


def mean_over_people(values: dict[str, float]) -> tuple[float, float]:
    """Return mean over people and half the width of its 95 % interval by Student's t."""
    numbers = np.asarray(list(values.values()))
    half = float(stats.t.ppf(0.975, len(numbers) - 1)) * float(numbers.std(ddof=1)) / math.sqrt(len(numbers))
    return float(numbers.mean()), half
