"""What an accuracy has to be compared with."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import EVALUATION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import percent


def ask(trace: Trace) -> Question | None:
    """Asked where always naming the most frequent class was measured."""
    evaluation = trace.evaluation
    if evaluation is None or evaluation.accuracy is None or evaluation.majority is None or len(evaluation.labels) < 2:
        return None
    least, classes = percent(evaluation.majority, 1), len(evaluation.labels)
    wrong = [
        (percent(0.0, 1), "To be always wrong is as hard as to be always right."),
        (percent(1 / classes, 1), f"So many are right when one of {classes} classes is guessed evenly; naming the most "
         f"frequent one does better, {least}."),
        (percent(1.0, 1), "That is the most there can be, not what a model without knowledge reaches."),
        (percent(0.5, 1), f"A coin is right half the time between two equally frequent classes; the most frequent "
         f"one of these {classes} makes {least}."),
        (percent(1 - evaluation.majority, 1), "So many are wrong when the most frequent class is always named."),
    ]  # fmt: skip
    if abs(evaluation.majority - 1 / classes) < 0.02:
        wrong.pop(1)
    return question(
        trace,
        Ask(
            name="majority",
            text=f"{percent(evaluation.accuracy.value, 1)} of the test samples are right. What would be reached "
            "without learning anything, by always naming the most frequent class?",
            right=(least, f"That class makes up {least} of the {evaluation.samples:,} test samples."),
            wrong=wrong,
            rests_on=f"Evaluation, always the most frequent class: {least}",
            anchor=EVALUATION,
        ),
    )


RULE = Rule(rank=53, ask=ask)
