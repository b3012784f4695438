"""What R squared says about a regression."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import EVALUATION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import fraction, percent


def ask(trace: Trace) -> Question | None:
    """Asked of a regression that explains some of its target."""
    value = None if trace.evaluation is None else trace.evaluation.regression.get("r2")
    if trace.evaluation is None or value is None or not 0 < value < 1:
        return None
    said = fraction(value)
    return question(
        trace,
        Ask(
            name="r2",
            text=f"What does r2 = {said} mean for this regression?",
            right=(
                f"Its mean squared error is {percent(1 - value, 1)} of that of always answering with the mean",
                f"r2 = 1 - mean squared error / variance of the target, on {trace.evaluation.samples:,} test samples.",
            ),
            wrong=(
                (
                    f"{percent(value, 1)} of the answers are right",
                    "An amount is hardly ever met exactly; nothing is counted as right or wrong.",
                ),
                (
                    f"Each answer is off by {percent(1 - value, 1)} of its value",
                    "How far answers are off is told by the mean absolute error, in the unit of the target.",
                ),
                (
                    f"The model has seen {percent(value, 1)} of the test samples before",
                    "It has seen none of them: they were held back.",
                ),
            ),
            rests_on=f"Evaluation, r2: {said}",
            anchor=EVALUATION,
        ),
    )


RULE = Rule(rank=54, ask=ask)
