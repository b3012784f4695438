"""Comparison of the answers of pipelines to the same samples: scores, gains with intervals, standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.race.metrics import Metric
from edgewright.schema.data import Floats
from edgewright.schema.trace import Interval
from edgewright.trace.sentences.readiness import agrees, explains
from edgewright.training.metrics import FEW_GROUPS, SHARE, Numbers, confusion, group_interval, jackknife
from edgewright.training.permutation_test import ERROR


@dataclass(frozen=True)
class ComparisonCriteria:
    """Criteria for all comparisons of rungs.

    Attributes:
        metric: metric of the score.
        y: class indices or numbers, shape (n,).
        groups: jackknife group of each sample, shape (n,).
        by: description of the groups.
        comparisons: maximum number of comparisons.
    """

    metric: Metric
    y: NDArray[Any]
    groups: NDArray[np.int64]
    by: str
    comparisons: int

    @property
    def level(self) -> float:
        """Confidence level of the interval of a gain."""
        return 1.0 - ERROR / max(1, self.comparisons)

    @property
    def every(self) -> Numbers:
        """Indices of all samples."""
        return np.arange(len(self.y), dtype=np.int64)

    @property
    def units(self) -> int:
        """Number of groups."""
        return int(self.groups.max()) + 1

    @property
    def few(self) -> bool:
        """Whether there are too few groups for an interval of a gain to exclude zero."""
        return self.units <= FEW_GROUPS

    def scored(self, rows: Numbers, answers: Floats) -> float:
        """Return the score of a subset of the samples; accuracy is weighted to the class proportions of all samples.

        Units differ in their class proportions. With fixed proportions, leaving out a unit changes only its answers
        and not the class mix, so a gain on one class is not hidden by units that lack this class.
        """
        y = self.y[rows]
        if self.metric.name != "accuracy":
            return self.metric.score(y, answers[rows])
        shares, counts = np.bincount(self.y), np.bincount(y, minlength=len(np.bincount(self.y)))
        right = np.bincount(y, weights=np.argmax(answers[rows], axis=1) == y, minlength=len(shares))
        present = counts > 0
        return float((shares[present] * right[present] / counts[present]).sum() / shares[present].sum())

    def score(self, answers: Floats) -> Interval:
        """Return the score of predictions for all samples with its 95 % CI."""
        within = SHARE if self.metric.higher else (0.0, math.inf)
        return group_interval(self.groups, lambda rows: self.scored(rows, answers), by=self.by, within=within)

    def gain(self, answers: Floats, before: Floats, level: float | None = None) -> Interval:
        """Return the gain of `answers` over `before` with its interval; positive is better for every metric."""
        interval = group_interval(
            self.groups, lambda rows: self.change(rows, answers, before), by=self.by, level=level or self.level
        )
        if not self.metric.higher:
            return interval
        base, reached = self.scored(self.every, before), self.scored(self.every, answers)

        def shifted(change: float) -> float:
            moved = 1.0 / (1.0 + math.exp(-self._odds(base) - change)) - base
            # The result keeps the sign of the change, so rounding cannot produce a gain.
            return math.copysign(abs(moved), change) if change else 0.0

        method = f"log odds, {interval.method}"
        return Interval(value=reached - base, low=shifted(interval.low), high=shifted(interval.high), method=method)

    def worth(self, rows: Numbers, answers: Floats) -> float:
        """Return the score on a subset of the samples as log odds, or the negative logarithm of an error."""
        scored = self.scored(rows, answers)
        return self._odds(scored) if self.metric.higher else -math.log(max(scored, 1e-12))

    def change(self, rows: Numbers, answers: Floats, before: Floats) -> float:
        """Return the gain on a subset of the samples: a difference of log odds for scores, or of errors."""
        if not self.metric.higher:
            return self.scored(rows, before) - self.scored(rows, answers)
        return self._odds(self.scored(rows, answers)) - self._odds(self.scored(rows, before))

    def is_beyond_chance(self, answers: Floats, comparisons: int) -> bool:
        """Return whether answers agree with the truth better than the best of that many random ones would."""
        if answers.ndim > 1 and answers.shape[1] > 1:
            matrix = confusion(self.y, np.argmax(answers, axis=1), answers.shape[1])
            return agrees(matrix.tolist(), comparisons)
        truth = np.asarray(self.y, np.float64)
        spread = float(((truth - truth.mean()) ** 2).sum())
        r2 = 1 - float(((truth - np.ravel(answers)) ** 2).sum()) / spread if spread > 0 else 0.0
        return explains(r2, len(truth), comparisons)

    def behind(self, answers: Floats, best: Floats) -> tuple[float, float]:
        """Return how much worse answers are than others, in log odds or logarithms of errors, and its standard error.

        The error is a jackknife standard error over the groups.
        """
        lost, error, _ = jackknife(lambda rows: self.worth(rows, best) - self.worth(rows, answers), self.groups)
        return lost, error

    def _odds(self, share: float) -> float:
        """Return the log odds of a score in 0..1, clipped half a sample away from both ends."""
        end = 0.5 / len(self.y)
        clipped = min(max(share, end), 1.0 - end)
        return math.log(clipped / (1.0 - clipped))
