"""Whether a rung is worth its step: its gain over the rung that stands, with an interval that knows of all looks.

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
from edgewright.search.ladder.metrics import Flags, Metric, interval

ERROR = 0.05
# Above a linear model that is good, trees and neighbours may bring nothing where a network does: a patience of three
# would stop below it (docs/adr/0041).
PATIENCE = 4


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

    def scored(self, rows: Flags, answers: Floats) -> float:
        """The score of some of the samples; accuracy at the mix of classes that all samples have.

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
        """The score of answers to all samples with its 95 % interval."""
        within = (0.0, 1.0) if self.metric.higher else (0.0, math.inf)
        return interval(lambda rows: self.scored(rows, answers), self.groups, 0.95, self.by, within)

    def gain(self, answers: Floats, before: Floats, level: float | None = None) -> Interval:
        """How much better `answers` are than `before` on the same samples; above zero is better for every metric."""
        if not self.metric.higher:
            return interval(
                lambda rows: self.scored(rows, before) - self.scored(rows, answers), self.groups,
                level or self.level, self.by,
            )  # fmt: skip
        every = np.ones(len(self.y), bool)
        base, reached = self.scored(every, before), self.scored(every, answers)
        found = interval(
            lambda rows: self._odds(self.scored(rows, answers)) - self._odds(self.scored(rows, before)),
            self.groups, level or self.level, self.by,
        )  # fmt: skip

        def shifted(change: float) -> float:
            moved = 1.0 / (1.0 + math.exp(-self._odds(base) - change)) - base
            # Its sign is that of the change: rounding makes no gain.
            return math.copysign(abs(moved), change) if change else 0.0

        method = f"log odds, {found.method}"
        return Interval(value=reached - base, low=shifted(found.low), high=shifted(found.high), method=method)

    def _odds(self, share: float) -> float:
        """Logarithm of the odds of a score between 0 and 1; half a sample away from both ends."""
        end = 0.5 / len(self.y)
        held = min(max(share, end), 1.0 - end)
        return math.log(held / (1.0 - held))


@dataclass
class Climb:
    """Where one stands on the ladder.

    Attributes:
        judge: of all rungs.
        patience: rungs in a row without a gain after which it ends, once one was climbed.
        chosen: name of the rung that stands; `answers` are its.
        learned: whether it was climbed, so that it is better than the lowest.
        idle: rungs in a row without a gain since.
    """

    judge: Judge
    patience: int = PATIENCE
    chosen: str = ""
    answers: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    learned: bool = False
    idle: int = 0

    def step(self, name: str, answers: Floats, fits: bool = True) -> tuple[Interval | None, bool]:
        """Looks at the next rung: its gain over the one that stands, and whether it is climbed.

        Args:
            name: of the rung.
            answers: to all samples.
            fits: whether the device can hold it.
        """
        if not self.chosen:
            self.chosen, self.answers = name, answers
            return None, True
        gain = self.judge.gain(answers, self.answers)
        climbed = fits and gain.low > 0
        if climbed:
            self.chosen, self.answers, self.learned, self.idle = name, answers, True, 0
        else:
            self.idle += self.learned
        return gain, climbed

    @property
    def tired(self) -> bool:
        """Whether nothing further is tried."""
        return bool(self.patience) and self.idle >= self.patience
