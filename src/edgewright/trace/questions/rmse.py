"""Why two measures of a regression's error differ."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import EVALUATION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import number


def ask(trace: Trace) -> Question | None:
    """Asked where the root mean squared error is above the mean absolute error in the digits shown."""
    measured = {} if trace.evaluation is None else trace.evaluation.regression
    rmse, mae = measured.get("rmse"), measured.get("mae")
    if rmse is None or mae is None or not 0 < mae < rmse or number(rmse) == number(mae):
        return None
    return question(
        trace,
        Ask(
            name="rmse",
            text=f"The mean absolute error is {number(mae)}, the root mean squared error {number(rmse)}. Why is the "
            "second larger?",
            right=(
                "Squaring gives large errors more weight, and errors differ in size",
                f"The two are equal only where all errors are of one size; here they are {number(rmse / mae)} times "
                "apart.",
            ),
            wrong=(
                ("It is measured on the training samples", "Both are measured on the same test samples."),
                ("It adds up all errors instead of taking their mean", "A mean is taken in both, of squares in one."),
                ("It is in another unit, the square of the target's", "The root brings the squares back to the "
                 "target's unit."),
            ),
            rests_on=f"Evaluation, rmse: {number(rmse)}, mae: {number(mae)}",
            anchor=EVALUATION,
        ),
    )  # fmt: skip


RULE = Rule(rank=55, ask=ask)
