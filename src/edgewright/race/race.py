"""The race: whole pipelines compete on training samples; those that fall behind leave, the others get more samples.

Every heat tests each pipeline on samples that it was not fitted on, with people, machines, recordings or days kept
whole (successive halving: Jamieson and Talwalkar, 2016). Of the pipelines that fit the device and are as good as the
best (within its standard error, and at most `MAX_LOSS` behind), the one with the smallest program is chosen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.cluster.mapping import ClusterLostError, is_spread
from edgewright.core.errors import EdgewrightError, RaceError
from edgewright.core.files import DISK_FAILED
from edgewright.core.records.data import Floats
from edgewright.core.records.footprint import Budget
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import amount
from edgewright.race.fold_fits import FinishedFit, FoldFitter, FoldTask, SpreadFits, begin, fit_fold, priced
from edgewright.race.heats import (
    MOST_UNITS,
    ComparisonCriteria,
    Heat,
    HeatFold,
    Heats,
    choose,
    codes,
    groups_of,
    has_many,
    heats_of,
    kept_of,
)
from edgewright.race.pipeline_end import Entrant, beyond
from edgewright.race.problem import Fitted, Indices, Problem
from edgewright.race.stage_outputs import StageOutputs

Watch = Callable[[RaceRecord], None]
Lead = Callable[[RaceRecord], None]
INTERRUPTED = "it was interrupted"
"""Reason in the record of a race that Ctrl-C ended."""
# CPU seconds of a race: up to this number of samples, and above.
BUDGET_S, LARGE_BUDGET_S, LARGE = 60.0, 180.0, 10_000
# Standard deviation, in log odds, with which the results of a pipeline on other data sets apply to this one.
PRIOR_DEVIATION = 0.5
# Largest loss, in log odds, for which a smaller program is taken: 1.4 points at an accuracy of .9. Folds of small
# data sets have standard errors of five points, and the smallest program within one of them was worse on other people.
MAX_LOSS = 0.15
# Number of pipelines that are measured at any cost and that continue after each heat. Others continue if they are at
# most this number of standard errors behind the best.
_FEWEST, _SURELY = 4, 2.0
# The leader is reported if its fit on all samples takes at most this share of the budget.
_CHEAP = 0.1
# A pipeline that ignores the samples is never reported as the leader.
_NO_MODEL = "majority"


@dataclass
class Standing:
    """An entrant during the race.

    Attributes:
        entrant: the pipeline.
        record: results so far.
        answers: answers to the test samples of each fold.
        per_sample_s: CPU seconds per training sample.
        fitted: pipeline fitted on all samples; None if the race fits on folds only.
    """

    entrant: Entrant
    record: EntrantRecord
    answers: dict[HeatFold, Floats] = field(default_factory=dict)
    per_sample_s: float = 0.0
    fitted: Fitted | None = None

    @classmethod
    def of(cls, entrant: Entrant) -> Standing:
        """Return an entrant without results."""
        candidate = entrant.candidate
        return cls(entrant, EntrantRecord(name=entrant.name, title=candidate.title, strength=candidate.why))

    @property
    def worth(self) -> float:
        """The score; the lowest possible before the first heat."""
        return -math.inf if self.record.score is None else self.record.score.value

    def note(self, **changes: object) -> None:
        """Change fields of the record."""
        self.record = msgspec.structs.replace(self.record, **changes)

    def joined(self, folds: Sequence[HeatFold]) -> Floats:
        """Return the answers to the test samples of all folds, one fold after the other."""
        return np.concatenate([self.answers[fold] for fold in folds])


class Race:
    """A race of pipelines on one problem.

    Args:
        problem: samples of the race; it does not contain the test samples of the run.
        entrants: pipelines that take part.
        profile: name or file of the device.
        budget_s: limit in CPU seconds; None derives it from the number of samples.
        seed: random seed.
        metric: name of the metric; chosen from the target when empty.
        watch: receives the race, without a choice, after every measurement.
        lead: receives the race once the cheapest pipelines are measured, and after each heat that changes the leader.
        leave_one_out: whether each person, machine or recording is a fold of its own.
        whole: whether each pipeline is also fitted on all samples.
    """

    def __init__(
        self,
        problem: Problem,
        entrants: Sequence[Entrant],
        profile: str,
        *,
        budget_s: float | None = None,
        seed: int = 0,
        metric: str = "",
        watch: Watch | None = None,
        lead: Lead | None = None,
        leave_one_out: bool = False,
        whole: bool = False,
    ) -> None:
        self.problem, self.watch, self.lead, self._whole = problem, watch, lead, whole
        self.profile, self.profile_name = load_profile(profile), profile
        self.limits = Budget(flash=int(self.profile.flash.value), ram=int(self.profile.ram.value))
        self.budget_s = (BUDGET_S if len(problem.y) <= LARGE else LARGE_BUDGET_S) if budget_s is None else budget_s
        self.metric, self.metric_why = choose(problem, metric)
        self.heats = Heats(StageOutputs(problem), seed, leave_one_out=leave_one_out)
        self.rounds, self._many = heats_of(problem), has_many(problem)
        if leave_one_out:
            self.rounds = (*self.rounds[:-1], self.rounds[-1]._replace(folds=len(self.heats.folds)))
        self._finished = begin(problem, self.profile, seed, leave_one_out)
        self.standings = [Standing.of(entrant) for entrant in sorted(entrants, key=lambda other: other.candidate.rank)]
        self._sign = 1.0 if self.metric.higher else -1.0
        self._targets, self._groups = codes(problem), groups_of(problem)
        # The last heat without time for all (0 for none), the last heat that compared, and the leader.
        self._spent, self._late, self._compared, self._led = 0.0, 0, 1, ""
        self._interrupted = False
        self._fitter = FoldFitter.of(problem, self.profile, seed, leave_one_out)
        self._ahead_fits: SpreadFits | None = None

    def run(self) -> RaceRecord:
        """Run the race; Ctrl-C ends it with the results so far.

        Raises:
            KeyboardInterrupt: before any pipeline was measured.
            InputError: no pipeline accepts the samples.
        """
        racing = list(self.standings)
        try:
            for number, heat in enumerate(self.rounds):
                racing = self._heat(heat, racing, number + 1)
                if self._late > 1 or len(racing) < 2:
                    break
                self._tell_lead()
        except KeyboardInterrupt:
            if not any(standing.record.heats for standing in self.standings):
                raise
            self._interrupted = True
        self.refuse_unmeasured()
        return self.record()

    def refuse_unmeasured(self) -> None:
        """Refuse samples that no pipeline accepts.

        Raises:
            InputError: nothing was measured.
        """
        if not any(standing.record.heats for standing in self.standings):
            reasons = dict.fromkeys(standing.record.left_out for standing in self.standings)
            why = "; ".join(reason for reason in reasons if reason)
            raise RaceError("samples that some pipeline accepts", why or "none", self.problem.name)

    def _heat(self, heat: Heat, racing: list[Standing], number: int) -> list[Standing]:
        """Run a heat and return the entrants that continue, best first.

        The first heat uses at most half of the budget, so that its best are compared on more folds. From the second
        heat on, the best are measured first, and if the time is too short for one, the worse ones are not measured
        instead. A heat without time for all compares only if the best was measured.
        """
        folds = self.heats.of(heat)
        with self.spreading(racing, folds):
            finished, index = self._measured(racing, folds, number)
        if index >= min(_FEWEST, len(racing)):
            self._compared = number
        self.heats.forget()
        finished.sort(key=lambda standing: (bool(standing.record.beyond), -self._sign * standing.worth))
        if number == len(self.rounds):
            return finished
        # Of many samples, a heat takes four times those of the heat before, and half as many pipelines.
        fewest = _FEWEST // number if self._many else _FEWEST
        staying = finished[:fewest]
        for standing in finished[fewest:]:
            lost, error = self._behind(standing, finished[0], folds)
            if lost > _SURELY * error:
                standing.note(verdict=f"fell behind{self._on_some(heat)}")
            else:
                staying.append(standing)
        return staying

    def _measured(self, racing: list[Standing], folds: Sequence[HeatFold], number: int) -> tuple[list[Standing], int]:
        """Return the entrants that a heat measured, and how many entrants it came to before the time ended."""
        limit_s = self.budget_s if number > 1 else self.budget_s / 2
        finished: list[Standing] = []
        for index, standing in enumerate(racing):
            fresh = [fold for fold in folds if fold not in standing.answers]
            expected = standing.per_sample_s * sum(len(fold.train) for fold in fresh)
            if self._spent + expected > limit_s and (standing.record.heats or len(finished) >= _FEWEST):
                self._late = number
                for other in racing[index:]:
                    other.note(verdict="no time was left for it")
                break
            if self.measure(standing, folds):
                finished.append(standing)
                if self.watch is not None:
                    self.watch(self._recorded(tuple(standing.record for standing in self._ranked())))
                if number == 1 and len(finished) == _FEWEST:
                    self._tell_lead()
        else:
            index = len(racing)
        return finished, index

    @contextmanager
    def spreading(self, racing: Sequence[Standing], folds: Sequence[HeatFold]) -> Iterator[None]:
        """Fit entrants on folds ahead, on the workers of a cluster, while a block measures them in order."""
        if self._ahead_fits is not None or not is_spread():
            yield
            return
        pairs, tasks, heat = [], [], max(fold.key[1] for fold in folds)
        for standing in racing:
            fresh, entrant = [fold for fold in folds if fold not in standing.answers], standing.entrant
            for fold in fresh:
                price_it = fold is fresh[-1] and not self._whole
                if self._finished is None or self._finished.read(entrant, fold, priced=price_it) is None:
                    pairs.append((entrant, fold))
                    tasks.append(FoldTask(entrant.name, entrant.config, *fold.key, heat, price_it))
        self._ahead_fits = SpreadFits(self._fitter, pairs, tasks)
        try:
            yield
        finally:
            self._ahead_fits.close()
            self._ahead_fits = None

    def _tell_lead(self) -> None:
        """Report the leader if it changed and its fit on all samples is cheap enough; none of many samples is."""
        if self.lead is None or self._many:
            return
        leader = self._choose()[0]
        cheap = leader.per_sample_s * len(self.problem.y) <= _CHEAP * self.budget_s
        if cheap and leader.entrant.name not in (self._led, _NO_MODEL):
            self._led = leader.entrant.name
            self.lead(self.record())

    def measure(
        self, standing: Standing, folds: Sequence[HeatFold], advance: Callable[[int], None] = lambda _: None
    ) -> bool:
        """Fit and test an entrant on folds; return whether that succeeded.

        Args:
            standing: the entrant.
            folds: folds of a heat; folds that the entrant has answered are skipped.
            advance: called with 1 after each fit.
        """
        began, kept_s, entrant = time.process_time(), 0.0, standing.entrant
        fresh = [fold for fold in folds if fold not in standing.answers]
        try:
            # Small matrix products are slower with several threads.
            with threadpool_limits(1), self.spreading([standing], folds):
                for fold in fresh:
                    standing.answers[fold], fit, taken_s = self._fit(entrant, fold, price_it=fold is fresh[-1])
                    kept_s += taken_s
                    advance(1)
                if fresh and self._whole:
                    standing.fitted = self.heats.fit(self.heats.whole, entrant)
                    fit = priced(standing.fitted, fresh[-1], entrant, self.profile)
                    advance(1)
            if fresh:
                over = beyond(fit.footprint, self.limits)
                standing.note(says=fit.says, footprint=fit.footprint, unpriced=fit.unpriced, beyond=over)
        except EdgewrightError as error:
            if isinstance(error, ClusterLostError) or getattr(error, "errno", None) in DISK_FAILED:
                raise
            standing.note(left_out=str(error))
            return False
        finally:
            spent = time.process_time() - began + kept_s
            self._spent += spent
            standing.note(cpu_seconds=standing.record.cpu_seconds + spent)
        if fresh:
            standing.per_sample_s = spent / sum(len(fold.train) for fold in fresh)
        rows = np.concatenate([fold.queries for fold in folds])
        score = self.judge_of(rows).score(standing.joined(folds))
        standing.note(heats=standing.record.heats + 1, samples=len(rows), score=score)
        return True

    def _fit(self, entrant: Entrant, fold: HeatFold, *, price_it: bool) -> tuple[Floats, FinishedFit, float]:
        """Return the answers to a fold, the fit, and the CPU seconds that a stopped race or a worker spent on it."""
        wanted = price_it and not self._whole
        kept = self._finished and self._finished.read(entrant, fold, priced=wanted)
        if kept:
            return *kept, kept[1].cpu_seconds
        if self._ahead_fits is None:
            answers, fit, elsewhere_s = *fit_fold(self.heats, entrant, fold, self.profile if wanted else None), 0.0
        else:
            began = time.process_time()
            answers, fit = self._ahead_fits.take(entrant, fold)
            # A cluster of one process is this one, whose time is counted already.
            elsewhere_s = max(0.0, fit.cpu_seconds - (time.process_time() - began))
        if self._finished:
            self._finished.write(entrant, fold, answers, fit, priced=wanted)
        return answers, fit, elsewhere_s

    def judge_of(self, rows: Indices, comparisons: int = 1) -> ComparisonCriteria:
        """Return the criteria on samples, such as the test samples of a heat, for a number of comparisons."""
        groups = np.unique(self._groups[rows], return_inverse=True)[1].astype(np.int64)
        if groups.max() == 0:
            groups = np.arange(len(rows), dtype=np.int64) * min(MOST_UNITS, len(rows)) // len(rows)
        return ComparisonCriteria(self.metric, self._targets[rows], groups, kept_of(self.problem), comparisons)

    def _behind(self, standing: Standing, other: Standing, folds: Sequence[HeatFold]) -> tuple[float, float]:
        """Return by how much an entrant is behind another on the samples of a heat, and the standard error."""
        judge = self.judge_of(np.concatenate([fold.queries for fold in folds]))
        lost, error = judge.behind(standing.joined(folds), other.joined(folds))
        return shrunk(lost, error, other.entrant.candidate.prior - standing.entrant.candidate.prior)

    def _choose(self) -> tuple[Standing, str, str]:
        """Return the chosen entrant, the reason, and a sentence about the best entrant regardless of the device."""
        measured = [standing for standing in self.standings if standing.record.heats >= self._compared]
        folds = self.heats.of(self.rounds[self._compared - 1])
        able = [standing for standing in measured if not standing.record.beyond] or measured
        best = able[0]
        for standing in able[1:]:
            best = standing if self._behind(best, standing, folds)[0] > 0 else best
        equal = [entry for entry in able if entry is best or self._is_as_good(entry, best, folds)]
        # `min` keeps the order of ranks among programs of one size.
        chosen = min(equal, key=_flash_bytes)
        why = f"{chosen.record.title} is the best of what fits {self.profile_name}"
        if chosen is not best:
            sizes = " and ".join(amount(_flash_bytes(entry), "B") for entry in (chosen, best))
            why = (
                f"{chosen.record.title} is the smallest of those as good as the best, {best.record.title} "
                f"({sizes} of flash)"
            )
        why += self._on_some(self.rounds[self._compared - 1])
        top = max(measured, key=lambda standing: self._sign * standing.worth)
        ceiling = "" if not top.record.beyond else f"{_scored(top)}; what fits reaches {chosen.worth:.3g}"
        return chosen, why, ceiling

    def _is_as_good(self, standing: Standing, best: Standing, folds: Sequence[HeatFold]) -> bool:
        """Return whether an entrant scored higher than the best, or lost too little to matter, within its error.

        The best by these samples and by other data sets together may have scored lower here.
        """
        if self._sign * (standing.worth - best.worth) > 0:
            return True
        lost, error = self._behind(standing, best, folds)
        return lost <= min(error, MAX_LOSS)

    def _on_some(self, heat: Heat) -> str:
        """Return on how many samples a heat fitted, where there are many; empty else."""
        return f", on {max(len(fold.train) for fold in self.heats.of(heat)):,} samples" if self._many else ""

    def _ranked(self) -> list[Standing]:
        return sorted(self.standings, key=lambda standing: (-standing.record.heats, -self._sign * standing.worth))

    def record(self) -> RaceRecord:
        """Return the record of the race so far."""
        chosen, why, ceiling = self._choose()
        entrants = tuple(
            msgspec.structs.replace(standing.record, verdict="chosen") if standing is chosen else standing.record
            for standing in self._ranked()
        )
        return self._recorded(
            entrants, chosen=chosen.entrant.name, why=why, ceiling=ceiling, ended=self._how_it_ended()
        )

    def _recorded(
        self, entrants: tuple[EntrantRecord, ...], *, chosen: str = "", why: str = "", ceiling: str = "",
        ended: str = "",
    ) -> RaceRecord:  # fmt: skip
        return RaceRecord(
            **self.facts(), entrants=entrants, chosen=chosen, why=why, ceiling=ceiling, ended=ended,
            flash=self.limits.flash or 0, budget_s=self.budget_s, cpu_seconds=self._spent,
            heat_samples=tuple(heat.samples for heat in self.rounds) if self._many else msgspec.UNSET,
        )  # fmt: skip

    def _how_it_ended(self) -> str:
        if self._interrupted:
            return INTERRUPTED
        if not self._late:
            return "nothing that is left could change the choice"
        if not self.budget_s:
            return "a budget of 0 s is for the cheapest candidates alone"
        used = f"{self.budget_s:.0f} CPU seconds were used"
        return f"its {used}" if self._late > 1 else f"half of its {used} before all were measured"

    def facts(self) -> dict[str, Any]:
        """Return the fields about metric, samples and device that every record of a race has."""
        return {
            "metric": self.metric.name, "metric_title": self.metric.title, "metric_why": self.metric_why,
            "higher": self.metric.higher, "kept": self.problem.by, "units": int(self.problem.units.max()) + 1,
            "samples": len(self.problem.y), "profile": self.profile_name,
        }  # fmt: skip


def shrunk(lost: float, error: float, prior: float) -> tuple[float, float]:
    """Combine the measured loss of a pipeline against another with the results on other data sets.

    Args:
        lost: loss measured on these samples, in log odds.
        error: standard error of the loss; infinite or 0 if the samples give no estimate.
        prior: loss on other data sets, in log odds.
    """
    if not math.isfinite(error) or error <= 0.0:
        return (lost, 0.0) if lost else (prior, PRIOR_DEVIATION)
    weight, of_prior = 1.0 / error**2, 1.0 / PRIOR_DEVIATION**2
    return (weight * lost + of_prior * prior) / (weight + of_prior), 1.0 / math.sqrt(weight + of_prior)


def _flash_bytes(standing: Standing) -> float:
    """Return the flash of a pipeline's program; infinite if it could not be estimated."""
    footprint = standing.record.footprint
    return math.inf if footprint is None else footprint.flash.value


def _scored(standing: Standing) -> str:
    footprint = standing.record.footprint
    size = "" if footprint is None else f" of {amount(footprint.flash.value, 'B')}"
    return f"{standing.record.title}{size} reaches {standing.worth:.3g}"
