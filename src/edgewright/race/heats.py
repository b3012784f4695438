"""Heats of a race: more folds and more samples from heat to heat, and the answers of a pipeline in each fold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import UnknownNameError
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.trace import Interval
from edgewright.race.pipeline_end import Entrant, fit_candidate
from edgewright.race.problem import Fitted, Indices, Part, Problem, folds, stratified_folds
from edgewright.race.stage_outputs import StageOutputs
from edgewright.trace.sentences.readiness import agrees, explains
from edgewright.training import metrics
from edgewright.training.metrics import ERROR, FEW_GROUPS, SHARE, Numbers, confusion, group_interval, jackknife

FOLDS = 5


class Heat(NamedTuple):
    """One round of a race: how many folds, and how many training samples of a fold at most."""

    folds: int
    samples: int


HEATS = (Heat(1, 2_000), Heat(2, 6_000), Heat(FOLDS, 20_000))
# Above so many samples, models that need many of them are not dropped on few, and the last heat compares on more:
# single rows on one fold, which tests as many rows as it trains; people, recordings or days on all folds.
MANY = 100_000
_ROW_HEATS = (Heat(1, 10_000), Heat(1, 40_000), Heat(1, 160_000))
_UNIT_HEATS = (Heat(1, 10_000), Heat(2, 20_000), Heat(FOLDS, 50_000))
# Larger heats are of rows of at most so many columns: one of wider rows or of windows would not fit in memory.
_MOST_COLUMNS = 100


def has_many(problem: Problem) -> bool:
    """Return whether a race on these samples has heats of more samples."""
    X = problem.samples.X
    return len(problem.y) > MANY and X.ndim == 2 and X.shape[1] <= _MOST_COLUMNS


def heats_of(problem: Problem) -> tuple[Heat, ...]:
    """Return the heats of a race on a problem."""
    if not has_many(problem):
        return HEATS
    return _ROW_HEATS if problem.by == "row" else _UNIT_HEATS


@dataclass(frozen=True, eq=False)
class HeatFold:
    """One fold of a heat.

    Attributes:
        outputs: outputs of the stages for the training samples and the test samples.
        train, test: indices into `outputs`.
        queries: indices of the test samples in the whole problem.
        key: number of the fold, -1 for all samples, and the maximum number of training samples.
    """

    outputs: StageOutputs
    train: Indices
    test: Indices
    queries: Indices
    key: tuple[int, int]

    @property
    def problem(self) -> Problem:
        """The training samples and the test samples."""
        return self.outputs.problem


class Heats:
    """Folds of a problem at growing size; all pipelines share the outputs of their stages.

    Args:
        outputs: outputs of the stages for the samples of the race.
        seed: random seed.
        count: number of folds; fewer where there are fewer units.
        leave_one_out: whether each unit is a fold of its own.
    """

    def __init__(self, outputs: StageOutputs, seed: int, *, count: int = FOLDS, leave_one_out: bool = False) -> None:
        self.problem, self._outputs, self._seed = outputs.problem, outputs, seed
        self.folds = folds(self.problem, count, seed=seed, leave_one_out=leave_one_out)
        every = np.arange(len(self.problem.y), dtype=np.int64)
        # Fold for the model of the package: all samples train the model, and none tests it.
        self.whole = HeatFold(outputs, every, every[:0], every[:0], (-1, len(every)))
        self._folds: dict[tuple[int, int], HeatFold] = {}

    @property
    def every(self) -> tuple[HeatFold, ...]:
        """All folds, with all samples."""
        return self.of(Heat(len(self.folds), len(self.problem.y)))

    def of(self, heat: Heat) -> tuple[HeatFold, ...]:
        """Return the folds of a heat; where all samples of a fold take part in two heats, it is the same object."""
        return tuple(self.fold(number, heat.samples) for number in range(min(heat.folds, len(self.folds))))

    def fit(self, fold: HeatFold, entrant: Entrant) -> Fitted:
        """Fit a pipeline on the training samples of a fold.

        Raises:
            InputError: a stage or the model does not accept the samples.
        """
        return fit_candidate(entrant.candidate, self.part(fold, entrant.config), entrant.config)

    def forget(self) -> None:
        """Drop the outputs of stages that later heats do not need."""
        for fold in (self.whole, *self._folds.values()):
            fold.outputs.forget()

    def part(self, fold: HeatFold, config: PipelineConfig) -> Part:
        """Return the outputs of the stages of a pipeline, fitted on a fold, for the samples of that fold."""
        return fold.outputs.part(config, fold.train)

    def fold(self, number: int, maximum: int) -> HeatFold:
        """Return a fold by its number, with so many training samples at most."""
        fold = self.folds[number]
        largest = max(len(fold.train), len(fold.test))
        key = number, min(maximum, largest)
        if key not in self._folds:
            rng = np.random.default_rng((self._seed, number))
            train, queries = (_some(rows, maximum, rng) for rows in (fold.train, fold.test))
            rows = np.sort(np.concatenate([train, queries]))
            self._folds[key] = (
                HeatFold(self._outputs, train, queries, queries, key)
                if maximum >= largest
                else HeatFold(
                    StageOutputs(self.problem.subset(rows), neighbour=self._outputs),
                    np.searchsorted(rows, train), np.searchsorted(rows, queries), queries, key,
                )
            )  # fmt: skip
        return self._folds[key]


def _some(rows: Indices, maximum: int, rng: np.random.Generator) -> Indices:
    return rows if len(rows) <= maximum else np.sort(rng.choice(rows, maximum, replace=False))


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
