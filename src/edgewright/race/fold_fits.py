"""Fits of pipelines on folds: in this process, or on workers ahead of the race that asks for them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import msgspec

from edgewright.cluster.contract import BatchError
from edgewright.cluster.mapping import outcomes
from edgewright.race.contract import Fitted, candidates
from edgewright.race.finished_fits import FinishedFit
from edgewright.race.heats import HeatFold, Heats
from edgewright.race.pipeline_end import Entrant, price
from edgewright.race.problem import Problem
from edgewright.race.stage_outputs import StageOutputs
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import CheckFailedError, EdgewrightError
from edgewright.schema.profile import Profile

FoldFit = tuple[Floats, FinishedFit]


def fit_fold(heats: Heats, entrant: Entrant, fold: HeatFold, profile: Profile | None) -> FoldFit:
    """Fit a pipeline on a fold, and return its answers to the test samples and its cost.

    Args:
        heats: folds of the problem.
        entrant: the pipeline.
        fold: the fold.
        profile: device that the footprint is for; None leaves it out.

    Raises:
        InputError: a stage or the model does not accept the samples.
    """
    began = time.process_time()
    fitted = heats.fit(fold, entrant)
    answers = fitted.answers(fold.test)
    fit = FinishedFit() if profile is None else priced(fitted, fold, entrant, profile)
    return answers, msgspec.structs.replace(fit, cpu_seconds=time.process_time() - began)


def priced(fitted: Fitted, fold: HeatFold, entrant: Entrant, profile: Profile) -> FinishedFit:
    """Return what a fitted pipeline says and needs on a device."""
    footprint, unpriced = price(fitted, fold.problem, entrant.config, profile)
    return FinishedFit(says=fitted.says(), footprint=footprint, unpriced=unpriced)


class FoldTask(NamedTuple):
    """A pipeline and a fold.

    Attributes:
        name: name of the candidate.
        config: its pipeline.
        fold: number of the fold.
        samples: number of training samples of the fold at most.
        heat: the same of all folds of the heat.
        priced: whether the footprint is worked out.
    """

    name: str
    config: PipelineConfig
    fold: int
    samples: int
    heat: int
    priced: bool


@dataclass(eq=False)
class FoldFitter:
    """What a worker needs for fits of a race, and what it keeps between them.

    Attributes:
        problem: samples of the race.
        profile: device of the race.
        seed, leave_one_out: of the race.
        heat: `FoldTask.heat` of the outputs of stages that are kept.
    """

    problem: Problem
    profile: Profile
    seed: int
    leave_one_out: bool
    heat: int = field(default=0, init=False)

    @classmethod
    def of(cls, problem: Problem, profile: Profile, seed: int, leave_one_out: bool) -> FoldFitter:
        """Return a fitter without the recordings that samples were cut from, which no fit reads."""
        return cls(problem.without_recordings(), profile, seed, leave_one_out)

    @cached_property
    def heats(self) -> Heats:
        """Folds as in the race itself."""
        return Heats(StageOutputs(self.problem), self.seed, leave_one_out=self.leave_one_out)

    def fit(self, task: FoldTask) -> FoldFit | EdgewrightError:
        """Return a fit, or why a stage or the model does not accept the samples."""
        if task.heat != self.heat:
            self.heats.forget()
            self.heat = task.heat
        entrant = Entrant(task.name, candidates((task.name,))[task.name], task.config)
        fold = self.heats.fold(task.fold, task.samples)
        try:
            return fit_fold(self.heats, entrant, fold, self.profile if task.priced else None)
        except EdgewrightError as error:
            return error


class SpreadFits:
    """Fits on workers, in the order in which a race asks for them.

    Args:
        fitter: what workers need.
        pairs: pipelines and folds in order; a race may leave some out, but asks for none twice.
        tasks: the same for workers.
    """

    def __init__(
        self, fitter: FoldFitter, pairs: Sequence[tuple[Entrant, HeatFold]], tasks: Sequence[FoldTask]
    ) -> None:
        self._outcomes = outcomes(FoldFitter.fit, fitter, tasks)
        self._waiting: Iterator[tuple[tuple[Entrant, HeatFold], FoldFit | EdgewrightError | BatchError]] = zip(
            pairs, self._outcomes, strict=False
        )

    def take(self, entrant: Entrant, fold: HeatFold) -> FoldFit:
        """Return a fit.

        Raises:
            EdgewrightError: as `fit_fold`, or the workers that fitted it ended.
        """
        for (other, of), outcome in self._waiting:
            if other is entrant and of is fold:
                if isinstance(outcome, BatchError):
                    raise CheckFailedError(f"its fit failed on the cluster: {outcome.reason}")
                if isinstance(outcome, EdgewrightError):
                    raise outcome
                return outcome
        raise AssertionError(f"{entrant.name} was not among the fits that were asked for")

    def close(self) -> None:
        """End fits that no one asks for any more."""
        self._outcomes.close()
