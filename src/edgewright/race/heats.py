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


@dataclass(frozen=True, eq=False)
class HeatFold:
    """One fold of a heat.

    Attributes:
        outputs: what stages give of the samples that train and of those that are asked.
        train, test: indices into them.
        asked: indices of the asked samples in the whole problem.
        key: number of the fold, -1 for all samples, and how many samples train at most.
    """

    outputs: StageOutputs
    train: Indices
    test: Indices
    asked: Indices
    key: tuple[int, int]

    @property
    def problem(self) -> Problem:
        """The samples that train and those that are asked."""
        return self.outputs.problem


class Heats:
    """Folds of a problem at growing size; what stages give of them is shared by all pipelines.

    Args:
        outputs: what stages give of the samples that take part.
        seed: random seed.
        count: number of folds; fewer where there are fewer units.
        leave_one_out: whether each unit is a fold of its own.
    """

    def __init__(self, outputs: StageOutputs, seed: int, *, count: int = FOLDS, leave_one_out: bool = False) -> None:
        self.problem, self._outputs, self._seed = outputs.problem, outputs, seed
        self.folds = folds(self.problem, count, seed=seed, leave_one_out=leave_one_out)
        every = np.arange(len(self.problem.y), dtype=np.int64)
        # All samples train, and none is asked: for the model that a package gets.
        self.whole = HeatFold(outputs, every, every[:0], every[:0], (-1, len(every)))
        self._folds: dict[tuple[int, int], HeatFold] = {}

    @property
    def every(self) -> tuple[HeatFold, ...]:
        """All folds, with all samples."""
        return self.of(Heat(len(self.folds), len(self.problem.y)))

    def of(self, heat: Heat) -> tuple[HeatFold, ...]:
        """Return the folds of a heat; where all samples of a fold take part in two heats, it is the same object."""
        return tuple(self._fold(number, heat.samples) for number in range(min(heat.folds, len(self.folds))))

    def fit(self, fold: HeatFold, entrant: Entrant) -> Fitted:
        """Fit a pipeline on the training samples of a fold.

        Raises:
            InputError: a stage or the model does not accept the samples.
        """
        return fit_candidate(entrant.candidate, self.part(fold, entrant.config), entrant.config)

    def forget(self) -> None:
        """Drop what stages gave, which later heats do not need."""
        for fold in (self.whole, *self._folds.values()):
            fold.outputs.forget()

    def part(self, fold: HeatFold, config: PipelineConfig) -> Part:
        """Return what the stages of a pipeline, fitted on a fold, give of its samples."""
        return fold.outputs.part(config, fold.train)

    def _fold(self, number: int, most: int) -> HeatFold:
        fold = self.folds[number]
        largest = max(len(fold.train), len(fold.test))
        key = number, min(most, largest)
        if key not in self._folds:
            rng = np.random.default_rng((self._seed, number))
            train, asked = (_some(rows, most, rng) for rows in (fold.train, fold.test))
            rows = np.sort(np.concatenate([train, asked]))
            self._folds[key] = (
                HeatFold(self._outputs, train, asked, asked, key)
                if most >= largest
                else HeatFold(
                    StageOutputs(self.problem.subset(rows), beside=self._outputs),
                    np.searchsorted(rows, train), np.searchsorted(rows, asked), asked, key,
                )
            )  # fmt: skip
        return self._folds[key]


def _some(rows: Indices, most: int, rng: np.random.Generator) -> Indices:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))
