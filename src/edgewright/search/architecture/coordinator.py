"""Search coordinator: proposes points, estimates them, trains feasible ones through an engine, and stores results.

A new sampler is created for every batch. A resumed search therefore proposes the same points, and the history of the
sampler stays bounded for long searches.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import msgspec
import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from edgewright.cluster.contract import Engine
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.schema.footprint import Budget, parse_budget
from edgewright.search.architecture.estimates import Estimate, Estimator
from edgewright.search.architecture.report import budget_violations, described, sufficient_budget
from edgewright.search.architecture.space import Axis, Point, Space
from edgewright.search.architecture.study import Study, combined, objectives, stopped_by
from edgewright.search.architecture.trial import (
    JUDGE,
    TRY,
    Batch,
    CandidateTrial,
    FoldError,
    Shared,
    TrialScore,
)

Sampler: TypeAlias = Literal["nsga2", "tpe", "random"]
# Maximum number of trials in the sampler's history: the best trial of each size and the latest trials.
HISTORY = 120
# The first STARTUP points are the pipeline's own point with each axis redrawn with probability REDRAW_PROBABILITY,
# because a pipeline rarely works after half of its choices change.
STARTUP, REDRAW_PROBABILITY = 32, 0.35
# Population size of NSGA-II.
POPULATION = 40
# Keys under which Optuna stores the constraints of a trial, and NSGA-II its generation.
_CONSTRAINTS, _GENERATION = "constraints", "NSGAIISampler:generation"
_MOST_VIOLATION = 1e6


def propose(
    space: Space, history: Sequence[CandidateTrial], *, seed: int, batch: int, count: int, sampler: Sampler
) -> list[Point]:
    """Return the next points, which differ from all points in the history where possible.

    Args:
        space: search space.
        history: all trials so far, in order.
        seed: seed of the search.
        batch: index of the batch.
        count: number of points.
        sampler: 'nsga2', 'tpe' or 'random'.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    remembered = _remembered(history)
    seen = {space.key(trial.point) for trial in remembered}
    points: list[Point] = []
    if not history:
        points.append(space.own())
        seen.add(space.key(points[0]))
    rng = np.random.default_rng([seed, batch, 1])
    for _ in range(8 * count if len(history) < STARTUP and sampler != "random" else 0):
        if len(points) == count:
            return points
        point = {
            axis.name: _random_value(axis, rng) if rng.random() < REDRAW_PROBABILITY else space.own()[axis.name]
            for axis in space.axes
        }
        if space.key(point) not in seen:
            seen.add(space.key(point))
            points.append(point)
    axes = {axis.name: _distribution(axis) for axis in space.axes}
    number = int(np.random.default_rng([seed, batch]).integers(1 << 31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=["minimize"] * 4, sampler=_sampler(sampler, number, len(history)))
        study.add_trials(_optuna_trials(axes, remembered))
        for _ in range(4 * count):
            if len(points) == count:
                break
            point = study.ask(axes).params
            if space.key(point) not in seen:
                seen.add(space.key(point))
                points.append(dict(point))
    while len(points) < count:
        # A small space is soon exhausted; the remaining points are drawn at random and may repeat.
        points.append({axis.name: _random_value(axis, rng) for axis in space.axes})
    return points


def _sampler(name: Sampler, seed: int, trials: int) -> BaseSampler:
    if name == "random" or not trials:
        return RandomSampler(seed=seed)
    if name == "tpe":
        return TPESampler(seed=seed, multivariate=True, n_startup_trials=1)
    return NSGAIISampler(seed=seed, population_size=POPULATION)


def _remembered(history: Sequence[CandidateTrial]) -> list[CandidateTrial]:
    """Return the latest trials, and the earlier finished ones whose error no smaller trial beats."""
    if len(history) <= HISTORY:
        return list(history)
    earlier = [trial for trial in history[: -HISTORY // 2] if trial.state == "done"]
    kept: list[CandidateTrial] = []
    for trial in sorted(earlier, key=lambda trial: (trial.estimate.flash, trial.error or 0.0, trial.number)):
        if not kept or (trial.error or 0.0) < (kept[-1].error or 0.0):
            kept.append(trial)
    # The last entries have the smallest errors.
    best = kept[-HISTORY // 2 :]
    return sorted([*best, *history[-HISTORY // 2 :]], key=lambda trial: trial.number)


def _optuna_trials(axes: dict[str, BaseDistribution], history: Sequence[CandidateTrial]) -> list[FrozenTrial]:
    """Return the history as Optuna trials of one generation, so that the sampler creates the next generation."""
    finite = [objectives(trial) for trial in history if trial.error is not None]
    worst = [max((figures[i] for figures in finite), default=1.0) for i in range(4)]
    trials = []
    for trial in history:
        values = objectives(trial)
        beyond = min(_violation(trial), _MOST_VIOLATION)
        trials.append(
            create_trial(
                state=TrialState.COMPLETE,
                params=dict(trial.point),
                distributions=axes,
                values=[value if np.isfinite(value) else 2 * top for value, top in zip(values, worst, strict=True)],
                system_attrs={_GENERATION: 0, _CONSTRAINTS: (beyond,)},
            )
        )
    return trials


def _violation(trial: CandidateTrial) -> float:
    """Return the constraint violation of a trial: above 0 if it exceeds the budget or cannot be built or trained."""
    if trial.state == "beyond":
        return max(trial.beyond, 1e-9)
    return 100.0 if trial.state in ("impossible", "failed") else 0.0


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    if axis.step:
        high = int(axis.high - (axis.high - axis.low) % axis.step)
        return IntDistribution(int(axis.low), high, step=axis.step)
    return FloatDistribution(axis.low, axis.high, log=True)


def _random_value(axis: Axis, rng: np.random.Generator) -> bool | int | float | str:
    if axis.choices:
        return axis.choices[int(rng.integers(len(axis.choices)))]
    if axis.step:
        return int(axis.low) + axis.step * int(rng.integers(int((axis.high - axis.low) // axis.step) + 1))
    return float(np.exp(rng.uniform(np.log(axis.low), np.log(axis.high))))


T = TypeVar("T")


@dataclass(frozen=True)
class Search:
    """A search with its configuration.

    Attributes:
        space, budget: search space, and limits of the device.
        estimator: estimates the cost of a point on the device.
        shared: data that all workers need.
        study: stores the trials.
        engine: runs the training.
        on_batch: callback that receives every batch of trials.
    """

    space: Space
    budget: Budget
    estimator: Estimator
    shared: Shared
    study: Study
    engine: Engine
    on_batch: Callable[[Sequence[CandidateTrial]], None] = lambda trials: None

    @property
    def task(self) -> str:
        """Task of the search: 'classification' or 'regression'."""
        return self.estimator.samples.problem(self.space.config.window).task

    def run(self, trials: int) -> list[CandidateTrial]:
        """Run until the study has this many trials, including those of earlier runs, and return all of them."""
        known_trials, own = self.study.trials(), self.study.identity
        while len(known_trials) < trials:
            batch, within = divmod(len(known_trials), own.batch)
            # Proposals depend only on complete batches, so they do not depend on where an earlier run stopped.
            before = known_trials[: batch * own.batch]
            sampler: Sampler = own.sampler  # type: ignore[assignment]
            points = propose(self.space, before, seed=own.seed, batch=batch, count=own.batch, sampler=sampler)
            points = points[within : within + trials - len(known_trials)]
            batch_trials = self._batch(points, len(known_trials), batch, before)
            self.study.add(batch_trials)
            known_trials += batch_trials
            self.on_batch(batch_trials)
        return known_trials

    def _batch(
        self, points: Sequence[Point], first: int, batch: int, before: Sequence[CandidateTrial]
    ) -> list[CandidateTrial]:
        trials = [self._estimated(point, first + index, batch) for index, point in enumerate(points)]
        waiting = [trial for trial in trials if trial.state == "done"]
        outcomes = self._train(waiting, (0,))
        going, results = [], {}
        self._refuse_lost(outcomes, before)
        for trial, errors in zip(waiting, outcomes, strict=True):
            if isinstance(errors, Exception) or not errors:
                results[trial.number] = _failed(trial, errors)
                continue
            other = stopped_by(errors[0], trial, before)
            if other is None:
                going.append(msgspec.structs.replace(trial, folds=(errors[0],)))
                continue
            reason = f"trial {other.number} costs no more and scored better on the first fold"
            error = combined(errors, self.task)
            results[trial.number] = msgspec.structs.replace(
                trial, state="stopped", folds=(errors[0],), error=error, reason=reason
            )
        rest = self._train(going, tuple(range(1, self._folds())))
        for trial, errors in zip(going, rest, strict=True):
            whole = trial.folds if isinstance(errors, Exception) else (*trial.folds, *errors)
            if len(whole) < self._folds():
                results[trial.number] = _failed(trial, errors)
            else:
                results[trial.number] = msgspec.structs.replace(trial, folds=whole, error=combined(whole, self.task))
        return [results.get(trial.number, trial) for trial in trials]

    def _refuse_lost(self, outcomes: Sequence[object], before: Sequence[CandidateTrial]) -> None:
        """Stop a search where all workers fail, instead of marking all trials as failed.

        Raises:
            CheckFailedError: every trial of the batch was lost, and no earlier trial has finished.
        """
        lost = [given for given in outcomes if isinstance(given, Exception)]
        if lost and len(lost) == len(outcomes) and not any(trial.state == "done" for trial in before):
            raise CheckFailedError(
                f"every worker failed: {lost[0]}",
                do="Make the data available to every worker at the same path; the trials of this batch are not kept",
            )

    def _folds(self) -> int:
        return len(self.estimator.samples.heats(self.space.config.window, self.shared.folds).folds)

    def _estimated(self, point: Point, number: int, batch: int) -> CandidateTrial:
        estimate = self.estimator(self.space.pipeline(point))
        beyond = estimate.violation(self.budget)
        state = "impossible" if estimate.impossible else "beyond" if beyond > 0 else "done"
        reason = estimate.impossible or (f"{beyond:.0%} beyond the budget" if beyond else "")
        return CandidateTrial(
            number=number, batch=batch, point=point, estimate=estimate, state=state,
            beyond=0.0 if estimate.impossible else beyond, reason=reason,
        )  # fmt: skip

    def _train(self, trials: Sequence[CandidateTrial], folds: tuple[int, ...]) -> list[list[FoldError] | Exception]:
        """Return the errors of every trial on some folds, or the exception that lost its batch."""
        configs = [self.space.pipeline(trial.point) for trial in trials]
        return self._requested(TRY, configs, list[list[FoldError]], folds)

    def _requested(
        self, work: str, configs: Sequence[object], kind: type[list[T]], folds: tuple[int, ...] = ()
    ) -> list[T | Exception]:
        """Return the engine's result for each pipeline in order, or the exception that lost its batch."""
        # Two batches per worker balance the load where batches differ in duration.
        size = max(1, -(-len(configs) // max(1, 2 * self.engine.workers))) if self.engine.workers > 1 else len(configs)
        parts = [configs[i : i + size] for i in range(0, len(configs), max(1, size))]
        batches = [msgspec.json.encode(Batch(configs=tuple(part), folds=folds)) for part in parts]  # type: ignore[arg-type]
        by_number: dict[int, list[T] | Exception] = {}
        if batches:
            for index, given in self.engine.run(work, msgspec.json.encode(self.shared), batches):
                by_number[index] = given if isinstance(given, Exception) else msgspec.json.decode(given, type=kind)
        answers: list[T | Exception] = []
        for index, part in enumerate(parts):
            of_part = by_number[index]
            answers += [of_part] * len(part) if isinstance(of_part, Exception) else of_part
        return answers

    def judge(self, trials: Sequence[CandidateTrial]) -> dict[int, TrialScore]:
        """Cross-validate trials over units in the form that a run packages; earlier results are reused."""
        known = self.study.scores()
        waiting = [trial for trial in trials if trial.number not in known]
        # One trial per worker at a time, so that finished results are stored if the search is interrupted.
        step = max(1, self.engine.workers)
        for start in range(0, len(waiting), step):
            some = waiting[start : start + step]
            answers = self._requested(
                JUDGE, [self.space.pipeline(trial.point) for trial in some], list[TrialScore | None]
            )
            for trial, score in zip(some, answers, strict=True):
                if isinstance(score, TrialScore):
                    self.study.add_judged(trial.number, score)
        return self.study.scores()

    def refuse_impossible(self) -> None:
        """Stop before the search starts if none of the smallest points fits the budget.

        Raises:
            CheckFailedError: no smallest point fits; the error names the closest point and by how much it is over.
            InputError: no smallest point can be built.
        """
        estimates: list[tuple[float, Point, Estimate]] = []
        why = ""
        for point in self.space.corners():
            estimate = self.estimator(self.space.pipeline(point))
            if estimate.impossible:
                why = why or estimate.impossible
                continue
            estimates.append((estimate.violation(self.budget), point, estimate))
            if estimates[-1][0] == 0:
                return
        if not estimates:
            raise InputError("a pipeline that can be built for the device", why, self.space.config.name)
        _, point, estimate = min(estimates, key=lambda candidate: candidate[0])
        beyond = "; ".join(budget_violations(estimate, self.budget))
        smallest = sufficient_budget(estimate, self.budget)
        # If the profile has no power figures, no budget with an energy limit can be met.
        fits = (
            f"It fits --budget {smallest}; or " if estimate.violation(parse_budget(smallest)) == 0 else "Allow more, "
        )
        raise CheckFailedError(
            f"no point of this search fits the budget: the closest, {described(self.space, point)}, has {beyond}",
            do=f"{fits}choose another --device, or widen the ranges in [search]",
        )


def _failed(trial: CandidateTrial, given: object) -> CandidateTrial:
    reason = str(given) if isinstance(given, Exception) else "the loss is not a number"
    return msgspec.structs.replace(trial, state="failed", reason=reason)
