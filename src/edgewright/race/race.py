"""The race: whole pipelines compete on training samples alone, those that fall behind leave, the rest get more samples.

Every heat asks each pipeline for samples that it was not fitted on, with people, machines, recordings or days kept
whole (successive halving: Jamieson and Talwalkar, 2016). The simplest pipeline within one standard error of the best
that fits the device is chosen.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import amount
from edgewright.race.heats import HEATS, Heat, HeatFold, Heats
from edgewright.race.judge import ComparisonCriteria
from edgewright.race.metrics import MOST_UNITS, choose, codes, groups_of
from edgewright.race.price import beyond, price
from edgewright.race.problem import Indices, Problem
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.footprint import Footprint
from edgewright.schema.race import EntrantRecord, RaceRecord
from edgewright.schema.trace import Interval
from edgewright.training.metrics import jackknife

# CPU seconds of a race up to so many samples, and above.
BUDGET_S, LARGE_BUDGET_S, LARGE = 60.0, 180.0, 10_000
# What other data sets taught of a pipeline holds for this one with such a deviation, in log odds.
PRIOR_DEVIATION = 0.5
# So many are measured whatever they cost. After a heat as many go on, and those that are not behind the best by so many
# standard errors.
_FEWEST, _SURELY = 4, 2.0


@dataclass(frozen=True)
class Entrant:
    """A whole pipeline that takes part.

    Attributes:
        name: of its candidate.
        title: name in tables.
        rank: position from simple to complex, lowest first.
        why: what it is good for, in a sentence.
        prior: as of its candidate.
        config: the pipeline.
    """

    name: str
    title: str
    rank: int
    why: str
    prior: float
    config: PipelineConfig


@dataclass
class _Standing:
    """What is known of an entrant: its answers by fold, what it takes, and why it left the race."""

    entrant: Entrant
    answers: dict[HeatFold, Floats] = field(default_factory=dict)
    heats: int = 0
    seconds: float = 0.0
    per_sample_s: float = 0.0
    score: Interval | None = None
    samples: int = 0
    footprint: Footprint | None = None
    unpriced: str = ""
    beyond: str = ""
    left_out: str = ""
    verdict: str = ""

    @property
    def worth(self) -> float:
        """The score; the lowest possible before the first heat."""
        return -math.inf if self.score is None else self.score.value


class Race:
    """A race of pipelines on one problem.

    Args:
        problem: training and validation samples; nobody sees the samples that judge the run.
        entrants: pipelines that take part.
        profile: name or file of the device.
        budget_s: CPU seconds; by the number of samples when None.
        seed: random seed.
        metric: name of the metric; chosen from the target when empty.
        watch: receives the record after every measurement; None makes no record before the end.
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
        watch: Callable[[RaceRecord], None] | None = None,
    ) -> None:
        self.problem, self.watch = problem, watch
        self.profile, self.profile_name = load_profile(profile), profile
        self.budget_s = budget_s or (BUDGET_S if len(problem.y) <= LARGE else LARGE_BUDGET_S)
        self.metric, self.metric_why = choose(problem, metric)
        self.heats = Heats(problem, seed)
        self.standings = [_Standing(one) for one in sorted(entrants, key=lambda entrant: entrant.rank)]
        self._sign = 1.0 if self.metric.higher else -1.0
        self._targets, self._groups = codes(problem), groups_of(problem)
        self._spent, self._ended = 0.0, ""

    def run(self) -> RaceRecord:
        """Hold the race; Ctrl-C ends it with what was measured so far.

        Raises:
            KeyboardInterrupt: before any pipeline was measured.
            InputError: no pipeline accepts the samples.
        """
        racing = list(self.standings)
        try:
            with threadpool_limits(1):  # small matrix products are slower with several threads
                for number, heat in enumerate(HEATS):
                    racing = self._heat(heat, racing, last=number == len(HEATS) - 1)
                    if self._ended or len(racing) < 2:
                        break
        except KeyboardInterrupt:
            if not any(standing.heats for standing in self.standings):
                raise
            self._ended = "it was interrupted"
        if not any(standing.heats for standing in self.standings):
            why = "; ".join(dict.fromkeys(standing.left_out for standing in self.standings if standing.left_out))
            raise InputError("samples that some pipeline accepts", why or "none", self.problem.name)
        return self.record()

    def _heat(self, heat: Heat, racing: list[_Standing], last: bool) -> list[_Standing]:
        """Hold a heat and return the entrants that go on, best first."""
        parts = self.heats.of(heat)
        finished: list[_Standing] = []
        for standing in racing:
            fresh = [fold for fold in parts if fold not in standing.answers]
            expected = standing.per_sample_s * sum(len(fold.train) for fold in fresh)
            if self._spent + expected > self.budget_s and (standing.heats or len(finished) >= _FEWEST):
                self._ended = f"its {self.budget_s:.0f} CPU seconds were used"
                standing.verdict = "no time was left for it"
            elif self._measure(standing, parts, fresh):
                finished.append(standing)
                if self.watch is not None:
                    self.watch(self.record())
        self.heats.forget()
        finished.sort(key=lambda standing: (bool(standing.beyond), -self._sign * standing.worth))
        if last:
            return finished
        staying = finished[:_FEWEST]
        for standing in finished[_FEWEST:]:
            lost, error = self._behind(standing, finished[0], parts)
            if lost > _SURELY * error:
                standing.verdict = "fell behind"
            else:
                staying.append(standing)
        return staying

    def _measure(self, standing: _Standing, parts: tuple[HeatFold, ...], fresh: list[HeatFold]) -> bool:
        """Let an entrant answer the folds of a heat; return whether it could."""
        began, config = time.process_time(), standing.entrant.config
        try:
            for fold in fresh:
                fitted = self.heats.fit(fold, config)
                standing.answers[fold] = fitted.answers(fold.test)
            if fresh:
                standing.footprint, standing.unpriced = price(fitted, fresh[-1].problem, config, self.profile)
                standing.beyond = beyond(standing.footprint, self.profile)
        except EdgewrightError as error:
            standing.left_out = str(error)
            return False
        finally:
            spent = time.process_time() - began
            self._spent += spent
            standing.seconds += spent
        if fresh:
            standing.per_sample_s = spent / sum(len(fold.train) for fold in fresh)
        standing.heats += 1
        rows = np.concatenate([fold.asked for fold in parts])
        standing.samples, standing.score = len(rows), self._judge(rows).score(_joined(standing, parts))
        return True

    def _judge(self, rows: Indices) -> ComparisonCriteria:
        """Return the criteria on the samples that a heat asked."""
        groups = np.unique(self._groups[rows], return_inverse=True)[1].astype(np.int64)
        if groups.max() == 0:
            groups = np.arange(len(rows), dtype=np.int64) * min(MOST_UNITS, len(rows)) // len(rows)
        return ComparisonCriteria(self.metric, self._targets[rows], groups, self.problem.by, 1)

    def _behind(self, standing: _Standing, other: _Standing, parts: tuple[HeatFold, ...]) -> tuple[float, float]:
        """Return by how much an entrant is behind another on the samples of a heat, and the standard error."""
        judge = self._judge(np.concatenate([fold.asked for fold in parts]))
        mine, others = _joined(standing, parts), _joined(other, parts)
        lost, error, _ = jackknife(lambda rows: judge.worth(rows, others) - judge.worth(rows, mine), judge.groups)
        return shrunk(lost, error, other.entrant.prior - standing.entrant.prior)

    def _choose(self) -> tuple[_Standing, str, str]:
        """Return the chosen entrant, why, and the ceiling in a sentence."""
        most = max(standing.heats for standing in self.standings)
        measured = [standing for standing in self.standings if standing.heats == most]
        parts = self.heats.of(HEATS[most - 1])
        able = [standing for standing in measured if not standing.beyond] or measured
        best = able[0]
        for standing in able[1:]:
            best = standing if self._behind(best, standing, parts)[0] > 0 else best
        chosen = next(one for one in able if one is best or operator.le(*self._behind(one, best, parts)))
        why = f"{chosen.entrant.title} is the best of what fits {self.profile_name}"
        if chosen is not best:
            why = f"{chosen.entrant.title} is the simplest within a standard error of the best, {best.entrant.title}"
        top = max(measured, key=lambda standing: self._sign * standing.worth)
        ceiling = "" if not top.beyond else f"{_scored(top)}; what fits reaches {chosen.worth:.3g}"
        return chosen, why, ceiling

    def record(self) -> RaceRecord:
        """Return what is known so far."""
        chosen, why, ceiling = self._choose()
        order = sorted(self.standings, key=lambda one: (-one.heats, -self._sign * one.worth))
        return RaceRecord(
            metric=self.metric.name,
            metric_title=self.metric.title,
            metric_why=self.metric_why,
            higher=self.metric.higher,
            kept=self.problem.by,
            units=int(self.problem.units.max()) + 1,
            samples=len(self.problem.y),
            entrants=tuple(_entrant_record(one, one is chosen) for one in order),
            chosen=chosen.entrant.name,
            why=why,
            ceiling=ceiling,
            ended=self._ended or "nothing that is left could change the choice",
            profile=self.profile_name,
            budget_s=self.budget_s,
            cpu_seconds=self._spent,
        )


def shrunk(lost: float, error: float, prior: float) -> tuple[float, float]:
    """Return by how much a pipeline is behind another and the standard error, with what other data sets taught.

    Args:
        lost: measured on these samples, in log odds.
        error: standard error of it; infinite or 0 where the samples say nothing.
        prior: on other data sets.
    """
    if not math.isfinite(error) or error <= 0.0:
        return (lost, 0.0) if lost else (prior, PRIOR_DEVIATION)
    weight, of_prior = 1.0 / error**2, 1.0 / PRIOR_DEVIATION**2
    return (weight * lost + of_prior * prior) / (weight + of_prior), 1.0 / math.sqrt(weight + of_prior)


def _joined(standing: _Standing, parts: tuple[HeatFold, ...]) -> Floats:
    return np.concatenate([standing.answers[fold] for fold in parts])


def _scored(standing: _Standing) -> str:
    size = "" if standing.footprint is None else f" of {amount(standing.footprint.flash.value, 'B')}"
    return f"{standing.entrant.title}{size} reaches {standing.worth:.3g}"


def _entrant_record(standing: _Standing, chosen: bool) -> EntrantRecord:
    return EntrantRecord(
        name=standing.entrant.name,
        title=standing.entrant.title,
        why=standing.entrant.why,
        score=standing.score,
        heats=standing.heats,
        samples=standing.samples,
        footprint=standing.footprint,
        unpriced=standing.unpriced,
        beyond=standing.beyond,
        left_out=standing.left_out,
        verdict="chosen" if chosen else standing.verdict,
        cpu_seconds=standing.seconds,
    )
