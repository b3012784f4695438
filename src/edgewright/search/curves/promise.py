"""What a curve may promise: an interval as wide as other curves needed it, or that the question cannot be answered."""

from __future__ import annotations

from edgewright.schema.trace import Interval
from edgewright.training.power_law import PowerLaw

LEVEL = 0.8
# Intervals of the weighed laws, widened until 80 of 100 held on other curves: the quantile that split conformal
# prediction owes, of 32 predictions on five other sets of data (docs/adr/0045-learning-curves.md).
WIDER = 1.18
METHOD = "weighed power laws, 80 %, widened by what other curves needed"
# An answer that leaves a third of the error open decides nothing.
WIDEST = 1 / 3
# So many wrong answers know their own error rate to within a third: 2 * 1.645 / root(98) = 1/3.
FEWEST_WRONG = 98


def promised(law: PowerLaw, size: float, *, measured: bool = True) -> Interval:
    """The error at a size, with the interval that a curve promises.

    Args:
        law: of the points.
        size: that is asked about.
        measured: whether the interval is of what training on other samples gives, or of the curve itself.
    """
    told = law.at(size, LEVEL, measured=measured)
    low, high = told.value * (told.low / told.value) ** WIDER, told.value * (told.high / told.value) ** WIDER
    return Interval(value=told.value, low=low, high=high, method=METHOD)


def why_unanswerable(told: Interval, wrong: float | None) -> str:
    """Why a prediction says too little, known before anything larger is measured; empty where it says enough.

    Args:
        told: the prediction.
        wrong: wrong answers at the largest size; None where errors are no counts.
    """
    if wrong is not None and wrong < FEWEST_WRONG:
        return f"{wrong:.0f} wrong answers judge it, {FEWEST_WRONG} are needed"
    width = (told.high - told.low) / told.value
    return f"its interval is {width:.2f} of the error wide, {WIDEST:.2f} at most is needed" if width > WIDEST else ""
