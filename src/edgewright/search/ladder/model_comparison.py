"""Whether a rung is worth its step: its gain over the rung that stands, with an interval that knows of all looks.

A rung that is better and takes no more flash and RAM is taken without a test: nothing speaks for the other one.
With few people or days no interval excludes zero; `few` chooses there, at the end, among all that were measured.

Every rung above the lowest may be looked at, so each interval is one of 1 - 0.05/looks (Bonferroni): that any rung is
climbed without a gain has a chance of at most one in twenty. A rung is compared with the one chosen so far, not with
its neighbour, so that a weak rung hides no strong one above it; after `patience` rungs in a row without a sure gain
nothing further is tried. While the majority stands, nothing has been learned that further rungs could fail to add to:
all of them are tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.schema.trace import Interval
from edgewright.search.ladder.metrics import Metric
from edgewright.training import permutation_test
from edgewright.training.metrics import ANY, FEW_GROUPS, SHARE, Numbers, jackknife, jackknife_interval
from edgewright.training.permutation_test import ERROR


def probabilities(judge: Judge, pairs: dict[str, tuple[Floats, Floats]]) -> dict[str, float]:
    """Two-sided p of each pair of rungs, corrected for the others: how often chance makes so large a difference."""

    def difference(answers: Floats, before: Floats) -> permutation_test.Difference:
        def of(swapped: NDArray[np.bool_]) -> float:
            turned = swapped[judge.groups][:, None]
            return judge.change(judge.every, np.where(turned, before, answers), np.where(turned, answers, before))

        return of

    return permutation_test.probabilities({name: difference(*pair) for name, pair in pairs.items()}, judge.units)


def choose_with_few(climb: Climb) -> None:
    """Choose among the rungs that were measured, and says of each how sure the choice is."""
    tried, judge = climb.tried, climb.judge
    lowest = next(iter(tried))
    able = [name for name, one in tried.items() if one.fits] or [lowest]
    best = max(able, key=lambda name: tried[name].score)
    chosen = next(name for name in able if judge.behind(tried[name].answers, tried[best].answers) <= 1.0)
    while (better := _shown(climb, chosen, able[able.index(chosen) + 1 :])) is not None:
        chosen = better
    climb.chosen, climb.steps = chosen, {}
    climb.settle()
    chosen, why = climb.chosen, {name: step.why for name, step in climb.steps.items()}
    over = {name: (one.answers, tried[lowest].answers) for name, one in tried.items() if name != lowest}
    others = {name: (one.answers, tried[chosen].answers) for name, one in tried.items() if name != chosen}
    p_over, p_others = probabilities(judge, over), probabilities(judge, others)
    climb.steps = {lowest: Step(climbed=True)}
    for name in (name for name in tried if name != lowest):
        against = lowest if name == chosen else chosen
        climb.steps[name] = Step(
            against, judge.gain(tried[name].answers, tried[against].answers, 0.95), name == chosen,
            p_over[name] if name == chosen else p_others[name], why.get(name, ""),
        )  # fmt: skip
    climb.learned = chosen != lowest


def _shown(climb: Climb, chosen: str, above: list[str]) -> str | None:
    """Return the lowest of the rungs above that the exact test shows to be better; None where there is none."""
    tried = climb.tried
    found = probabilities(climb.judge, {name: (tried[name].answers, tried[chosen].answers) for name in above})
    return next((n for n in above if found[n] <= ERROR and tried[n].score > tried[chosen].score), None)


# Above a good linear model trees, boosting and neighbours may bring nothing where a network does: a patience of
# four would stop below it (docs/adr/0041).
PATIENCE = 5
NO_SIZE = (math.inf, math.inf)


@dataclass(frozen=True)
class Judge:
    """What all rungs are judged by.

    Attributes:
        metric: the score.
        y: codes or amounts, (n,).
        groups: of each sample, for the intervals.
        by: what they are.
        looks: rungs that may be compared.
    """

    metric: Metric
    y: NDArray[Any]
    groups: NDArray[np.int64]
    by: str
    looks: int

    @property
    def level(self) -> float:
        """Of the interval of a gain."""
        return 1.0 - ERROR / max(1, self.looks)

    @property
    def every(self) -> Numbers:
        """Indices of all samples."""
        return np.arange(len(self.y), dtype=np.int64)

    @property
    def units(self) -> int:
        """Number of the groups."""
        return int(self.groups.max()) + 1

    @property
    def few(self) -> bool:
        """Whether there are so few groups that an interval of a gain would exclude nothing."""
        return self.units <= FEW_GROUPS

    def scored(self, rows: Numbers, answers: Floats) -> float:
        """Return the score of some of the samples; accuracy at the mix of classes that all samples have.

        Days and people differ in how much of each class they hold. Both rungs face the same mix, so a unit that is left
        out takes its answers out and not its mix: else days on which nobody comes would hide that a rung sees people.
        """
        y = self.y[rows]
        if self.metric.name != "accuracy":
            return self.metric.score(y, answers[rows])
        shares, counts = np.bincount(self.y), np.bincount(y, minlength=len(np.bincount(self.y)))
        right = np.bincount(y, weights=np.argmax(answers[rows], axis=1) == y, minlength=len(shares))
        held = counts > 0
        return float((shares[held] * right[held] / counts[held]).sum() / shares[held].sum())

    def score(self, answers: Floats) -> Interval:
        """Return the score of answers to all samples with its 95 % interval."""
        within = SHARE if self.metric.higher else (0.0, math.inf)
        return jackknife_interval(lambda rows: self.scored(rows, answers), self.groups, self.by, within)

    def gain(self, answers: Floats, before: Floats, level: float | None = None) -> Interval:
        """How much better `answers` are than `before` on the same samples; above zero is better for every metric."""
        found = jackknife_interval(
            lambda rows: self.change(rows, answers, before), self.groups, self.by, ANY, level or self.level
        )
        if not self.metric.higher:
            return found
        base, reached = self.scored(self.every, before), self.scored(self.every, answers)

        def shifted(change: float) -> float:
            moved = 1.0 / (1.0 + math.exp(-self._odds(base) - change)) - base
            # Its sign is that of the change: rounding makes no gain.
            return math.copysign(abs(moved), change) if change else 0.0

        method = f"log odds, {found.method}"
        return Interval(value=reached - base, low=shifted(found.low), high=shifted(found.high), method=method)

    def change(self, rows: Numbers, answers: Floats, before: Floats) -> float:
        """How much better answers are to some of the samples: log odds of shares, errors as they are."""
        if not self.metric.higher:
            return self.scored(rows, before) - self.scored(rows, answers)
        return self._odds(self.scored(rows, answers)) - self._odds(self.scored(rows, before))

    def behind(self, answers: Floats, best: Floats) -> float:
        """By how many standard errors answers are worse than the best ones, group by group; 0 where they are not."""
        lost, error, _ = jackknife(lambda rows: self.change(rows, best, answers), self.groups)
        return 0.0 if lost <= 0 else lost / error if error else math.inf

    def _odds(self, share: float) -> float:
        """Logarithm of the odds of a score between 0 and 1; half a sample away from both ends."""
        end = 0.5 / len(self.y)
        held = min(max(share, end), 1.0 - end)
        return math.log(held / (1.0 - held))


@dataclass(frozen=True)
class Tried:
    """A rung that was measured.

    Attributes:
        answers: to all samples.
        score: of them, so that more is better.
        fits: whether the device can hold it.
        size: estimated bytes of flash and RAM.
    """

    answers: Floats
    score: float
    fits: bool = True
    size: tuple[float, float] = NO_SIZE

    def beats(self, other: Tried) -> bool:
        """Return whether it is better and takes no more flash and no more RAM, so that nothing speaks for the other."""
        smaller = all(own <= others < math.inf for own, others in zip(self.size, other.size, strict=True))
        return self.fits and self.score > other.score and smaller


@dataclass(frozen=True)
class Step:
    """What became of a rung.

    Attributes:
        against: the rung that it was held against; empty for the lowest.
        gain: over that one.
        climbed: whether it was taken.
        p: of an exact test of that gain; None where none was made.
        why: why it was taken without a test; empty otherwise.
    """

    against: str = ""
    gain: Interval | None = None
    climbed: bool = False
    p: float | None = None
    why: str = ""


@dataclass
class Climb:
    """Where one stands on the ladder.

    Attributes:
        judge: of all rungs.
        patience: rungs in a row without a gain after which it ends, once one was climbed. With few units: without a
            better score.
        chosen: name of the rung that stands.
        learned: whether one was climbed, so that the lowest no longer stands.
        idle: rungs in a row without a gain since.
        tried: every rung that was measured, from the bottom; `steps` what became of each.
    """

    judge: Judge
    patience: int = PATIENCE
    chosen: str = ""
    learned: bool = False
    idle: int = 0
    tried: dict[str, Tried] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)

    @property
    def answers(self) -> Floats:
        """Those of the rung that stands."""
        return self.tried[self.chosen].answers

    def step(
        self, name: str, answers: Floats, fits: bool = True, size: tuple[float, float] = NO_SIZE
    ) -> tuple[Interval | None, bool]:
        """Look at the next rung: its gain over the one that stands, and whether it is climbed.

        With few units the best so far stands, until all are measured and one of them is chosen.

        Args:
            name: of the rung.
            answers: to all samples.
            fits: whether the device can hold it.
            size: estimated bytes of flash and RAM.
        """
        score = self.judge.scored(self.judge.every, answers) * (1 if self.judge.metric.higher else -1)
        new = self.tried[name] = Tried(answers, score, fits, size)
        if not self.chosen:
            self.chosen, self.steps[name] = name, Step(climbed=True)
            return None, True
        stands = self.tried[self.chosen]
        gain = self.judge.gain(answers, stands.answers, 0.95 if self.judge.few else None)
        sure = score > stands.score if self.judge.few else gain.low > 0
        climbed = fits and (sure or new.beats(stands))
        self.steps[name] = Step(self.chosen, gain, climbed, why="" if sure or not climbed else self._smaller())
        if climbed:
            self.chosen, self.learned, self.idle = name, True, 0
            self.settle()
        else:
            self.idle += self.learned
        return gain, climbed

    def settle(self) -> None:
        """Take the best of the rungs that are better than the one that stands and not larger, where there are any."""
        stands = self.tried[self.chosen]
        better = [name for name, one in self.tried.items() if one.beats(stands)]
        if better:
            name = max(better, key=lambda one: self.tried[one].score)
            gain = self.judge.gain(self.tried[name].answers, stands.answers, 0.95 if self.judge.few else None)
            self.steps[name] = Step(self.chosen, gain, climbed=True, why=self._smaller())
            self.chosen = name

    def _smaller(self) -> str:
        return f"better than {self.chosen} and not larger: no test is needed"

    @property
    def tired(self) -> bool:
        """Whether nothing further is tried."""
        return bool(self.patience) and self.idle >= self.patience
