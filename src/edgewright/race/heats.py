"""Heats of a race: more folds and more samples from heat to heat, and the answers of a pipeline in each fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewright.race.contract import Fitted, Part
from edgewright.race.pipeline_end import Entrant, fit_candidate
from edgewright.race.problem import Indices, Problem, folds
from edgewright.race.stage_outputs import StageOutputs
from edgewright.schema.config import PipelineConfig

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
