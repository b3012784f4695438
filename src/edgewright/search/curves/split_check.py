"""The law's promise checked on many splits: half of the articles predict twice as many, other articles judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgewright.schema.curve import CurvePoint
from edgewright.schema.trace import Interval
from edgewright.search.curves.measure import Learner, point_of, shares_of, width_points
from edgewright.search.curves.noise import law_of, predict_interval
from edgewright.training.metrics import wilson

LEVEL = 0.9


class SplitCheck(NamedTuple):
    """A split.

    Attributes:
        points: on up to half of the data.
        predicted: at all of it, with its 90 % interval.
        whole: measured there.
        exponent: of the law.
    """

    points: tuple[CurvePoint, ...]
    predicted: Interval
    whole: CurvePoint
    exponent: float

    @property
    def measured(self) -> float:
        """Mean of the repeats with all of the data."""
        return self.whole.mean

    @property
    def is_inside(self) -> bool:
        """Whether the measurement lies in the interval."""
        return self.predicted.low <= self.measured <= self.predicted.high


def check_split(learner: Learner, advance: Callable[[int], None] = lambda _: None) -> SplitCheck:
    """Predict from half of the articles, then measure with all of them.

    Args:
        learner: whose pool of one half is a random one of its split.
        advance: hears of every training.

    Raises:
        InputError: too little data for three sizes.
    """
    points = [point_of(learner, share, repeats, 0.5, advance) for share, repeats in shares_of(learner, 0.5)]
    return _checked(points, point_of(learner, 1.0, len(points[-1].errors), 1.0, advance))


def check_widths(learner: Learner, advance: Callable[[int], None] = lambda _: None) -> SplitCheck:
    """Predict from the narrower networks on all of the data, then measure the widest; sizes are parameters.

    Args:
        learner: whose width can be scaled.
        advance: hears of every training.
    """
    *points, whole = width_points(learner, advance)
    return _checked(points, whole)


def _checked(points: Sequence[CurvePoint], whole: CurvePoint) -> SplitCheck:
    law = law_of(points)
    return SplitCheck(tuple(points), predict_interval(law, whole.size, level=LEVEL), whole, law.exponent)


def trainings(learner: Learner) -> int:
    """Return how many trainings a check takes at most."""
    shares = shares_of(learner, 0.5)
    return sum(repeats for _, repeats in shares) + shares[-1][1]


def coverage(checks: Sequence[SplitCheck]) -> Interval:
    """Return the share of splits whose measurement lies inside, with its 95 % interval (Wilson, 1927)."""
    return wilson(sum(check.is_inside for check in checks), len(checks))
