"""Asks for points, estimates them, has the feasible ones trained in batches through an engine, and keeps what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from edgewright.schema.budget import Budget, parse_budget
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.search.architecture.descriptions import described, enough, misses
from edgewright.search.architecture.estimates import Estimate, Estimator
from edgewright.search.architecture.features import Features
from edgewright.search.architecture.point_pipeline import Point
from edgewright.search.architecture.proposals import Sampler, propose
from edgewright.search.architecture.space import Space
from edgewright.search.architecture.study import Study, combined, stopped_by
from edgewright.search.architecture.trial import (
    JUDGE,
    TRY,
    Batch,
    FoldError,
    Shared,
    TrialScore,
    Tried,
    features_of,
)
from edgewright.search.engines.contract import Engine

T = TypeVar("T")


@dataclass(frozen=True)
class Search:
    """All that stays the same during a search.

    Attributes:
        space, budget: what may vary and what may be taken.
        estimator: of the device.
        shared: what workers need.
        study: keeps the trials.
        engine: does the work.
        told: hears every batch of trials.
    """

    space: Space
    budget: Budget
    estimator: Estimator
    shared: Shared
    study: Study
    engine: Engine
    told: Callable[[Sequence[Tried]], None] = lambda trials: None

    @property
    def task(self) -> str:
        """'classification' or 'regression'."""
        return self.estimator.features.prepared(self.space.config.window).problem.task

    def run(self, trials: int) -> list[Tried]:
        """Go on until so many points were tried, those of earlier sittings included; gives all of them."""
        found, own = self.study.trials(), self.study.identity
        while len(found) < trials:
            batch, within = divmod(len(found), own.batch)
            # What is asked for rests on whole batches alone, so it is the same wherever a search ended before.
            before = found[: batch * own.batch]
            sampler: Sampler = own.sampler  # type: ignore[assignment]
            points = propose(self.space, before, seed=own.seed, batch=batch, count=own.batch, sampler=sampler)
            points = points[within : within + trials - len(found)]
            made = self._batch(points, len(found), batch, before)
            self.study.add(made)
            found += made
            self.told(made)
        return found

    def _batch(self, points: Sequence[Point], first: int, batch: int, before: Sequence[Tried]) -> list[Tried]:
        trials = [self._estimated(point, first + index, batch) for index, point in enumerate(points)]
        waiting = [trial for trial in trials if trial.state == "done"]
        tried = self._train(waiting, (0,))
        going, made = [], {}
        self._refuse_lost(tried, before)
        for trial, errors in zip(waiting, tried, strict=True):
            if isinstance(errors, Exception) or not errors:
                made[trial.number] = _failed(trial, errors)
                continue
            other = stopped_by(errors[0], trial, before)
            if other is None:
                going.append(msgspec.structs.replace(trial, folds=(errors[0],)))
                continue
            reason = f"trial {other.number} costs no more and scored better on the first fold"
            error = combined(errors, self.task)
            made[trial.number] = msgspec.structs.replace(
                trial, state="stopped", folds=(errors[0],), error=error, reason=reason
            )
        rest = self._train(going, tuple(range(1, self._folds())))
        for trial, errors in zip(going, rest, strict=True):
            whole = trial.folds if isinstance(errors, Exception) else (*trial.folds, *errors)
            if len(whole) < self._folds():
                made[trial.number] = _failed(trial, errors)
            else:
                made[trial.number] = msgspec.structs.replace(trial, folds=whole, error=combined(whole, self.task))
        return [made.get(trial.number, trial) for trial in trials]

    def _refuse_lost(self, tried: Sequence[object], before: Sequence[Tried]) -> None:
        """End a search whose workers can do nothing of it, instead of losing all of its trials.

        Raises:
            CheckFailedError: every batch of work failed, and no trial was ever finished.
        """
        lost = [given for given in tried if isinstance(given, Exception)]
        if lost and len(lost) == len(tried) and not any(trial.state == "done" for trial in before):
            raise CheckFailedError(
                f"no worker could do its work: {lost[0]}",
                do="Give every worker the data at the same path; this trial was not kept",
            )

    def _folds(self) -> int:
        return len(self.estimator.features.folds(self.space.config.window, self.shared.folds))

    def _estimated(self, point: Point, number: int, batch: int) -> Tried:
        estimate = self.estimator(self.space.pipeline(point))
        beyond = estimate.violation(self.budget)
        state = "impossible" if estimate.impossible else "beyond" if beyond > 0 else "done"
        reason = estimate.impossible or (f"{beyond:.0%} beyond the budget" if beyond else "")
        return Tried(
            number=number, batch=batch, point=point, estimate=finite(estimate), state=state,
            beyond=0.0 if estimate.impossible else beyond, reason=reason,
        )  # fmt: skip

    def _train(self, trials: Sequence[Tried], folds: tuple[int, ...]) -> list[list[FoldError] | Exception]:
        """Return errors of every trial on some folds, or why the batch it was in came to nothing."""
        configs = [self.space.pipeline(trial.point) for trial in trials]
        return self._asked(TRY, configs, list[list[FoldError]], folds)

    def _asked(
        self, work: str, configs: Sequence[object], kind: type[list[T]], folds: tuple[int, ...] = ()
    ) -> list[T | Exception]:
        """Return what the work of an engine gave for each pipeline, in order, or why its batch was lost."""
        # Two batches a worker: the second evens out what the first takes longer.
        size = max(1, -(-len(configs) // max(1, 2 * self.engine.workers))) if self.engine.workers > 1 else len(configs)
        parts = [configs[i : i + size] for i in range(0, len(configs), max(1, size))]
        batches = [msgspec.json.encode(Batch(configs=tuple(part), folds=folds)) for part in parts]  # type: ignore[arg-type]
        found: dict[int, list[T] | Exception] = {}
        if batches:
            for index, given in self.engine.run(work, msgspec.json.encode(self.shared), batches):
                found[index] = given if isinstance(given, Exception) else msgspec.json.decode(given, type=kind)
        answers: list[T | Exception] = []
        for index, part in enumerate(parts):
            of_part = found[index]
            answers += [of_part] * len(part) if isinstance(of_part, Exception) else of_part
        return answers

    def judge(self, trials: Sequence[Tried]) -> dict[int, TrialScore]:
        """Judge trials by leaving units out, in the form that a run packages; those judged before are kept."""
        known = self.study.judged()
        waiting = [trial for trial in trials if trial.number not in known]
        # As many at a time as there are workers: what was judged is kept when the rest is broken off.
        step = max(1, self.engine.workers)
        for start in range(0, len(waiting), step):
            some = waiting[start : start + step]
            answers = self._asked(JUDGE, [self.space.pipeline(trial.point) for trial in some], list[TrialScore | None])
            for trial, judged in zip(some, answers, strict=True):
                if isinstance(judged, TrialScore):
                    self.study.add_judged(trial.number, judged)
        return self.study.judged()

    def refuse_impossible(self) -> None:
        """End a search that cannot find anything, before it has begun.

        Raises:
            CheckFailedError: not even the smallest points are within the budget, by how much and which is nearest.
            InputError: none of them can be built.
        """
        found: list[tuple[float, Point, Estimate]] = []
        why = ""
        for point in self.space.corners():
            estimate = self.estimator(self.space.pipeline(point))
            if estimate.impossible:
                why = why or estimate.impossible
                continue
            found.append((estimate.violation(self.budget), point, estimate))
            if found[-1][0] == 0:
                return
        if not found:
            raise InputError("a pipeline that can be built for the device", why, self.space.config.name)
        _, point, estimate = min(found, key=lambda one: one[0])
        beyond = "; ".join(misses(estimate, self.budget))
        smallest = enough(estimate, self.budget)
        # Where the profile knows no power, no budget with a limit of energy can be met.
        fits = (
            f"It fits --budget {smallest}; or " if estimate.violation(parse_budget(smallest)) == 0 else "Allow more, "
        )
        raise CheckFailedError(
            f"no point of this search fits the budget: the closest, {described(self.space, point)}, has {beyond}",
            do=f"{fits}choose another --device, or widen the ranges in [search]",
        )


def _failed(trial: Tried, given: object) -> Tried:
    reason = str(given) if isinstance(given, Exception) else "the loss is not a number"
    return msgspec.structs.replace(trial, state="failed", reason=reason)


def finite(estimate: Estimate) -> Estimate:
    """Return an estimate that JSON can hold: what is not known is 0 beside the reason."""
    if not estimate.impossible:
        return estimate
    return msgspec.structs.replace(estimate, flash=0.0, ram=0.0, latency_us=0.0)


def shared_of(space: Space, data: str | None, folds: int, cache: str) -> Shared:
    """Return what workers need to know of a search."""
    augment = space.config.training.augment
    copies = max((int(table.get("copies", 1)) for table in augment), default=0)
    copies = max([copies, *(int(c) for axis in space.axes if axis.name == "copies" for c in axis.choices)])
    return Shared(config=space.config, data=data, copies=copies, folds=folds, cache=cache)


def features_for(shared: Shared) -> Features:
    """Return the samples that the coordinator looks at; a worker in this process shares them."""
    return features_of(msgspec.json.encode(shared))
