"""What the interval around the accuracy means."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import EvaluationRecord, Interval, Trace
from edgewright.trace.anchors import EVALUATION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question, short
from edgewright.trace.words import percent


def ask(trace: Trace) -> Question | None:
    """Asked of every classifier whose accuracy has an interval of some width."""
    evaluation = trace.evaluation
    found = None if evaluation is None else evaluation.accuracy
    if evaluation is None or found is None or found.high - found.low < 0.001:
        return None
    low, high = percent(found.low, 1), percent(found.high, 1)
    grouped = "group" in found.method
    drawn = "other people or machines" if grouped else f"other {evaluation.unit}s"
    return question(
        trace,
        Ask(
            name="interval",
            text=f"What does '{percent(found.value, 1)} right (95 %: {low} to {high})' mean?",
            right=(
                f"The test samples leave the accuracy uncertain: drawn again with {drawn}, intervals made like this "
                "one hold the true accuracy about 95 times in 100",
                f"Method: {found.method}, from {evaluation.samples:,} test samples"
                + (f" of {len(evaluation.groups)} people or machines" if grouped and evaluation.groups else "")
                + ". More of them make it narrower.",
            ),
            wrong=_wrong(evaluation, found, low, high),
            rests_on=f"Evaluation, accuracy: {percent(found.value, 1)} ({low} to {high})",
            anchor=EVALUATION,
        ),
    )


def _wrong(evaluation: EvaluationRecord, found: Interval, low: str, high: str) -> list[tuple[str, str]]:
    made = []
    known = [(g.accuracy, g.group) for g in evaluation.groups if g.accuracy is not None]
    outside = [(max(found.low - share, share - found.high), name, share) for share, name in known]
    distance, far, share = max(outside, default=(0.0, "", 0.0))
    if distance > 0:
        made.append(
            (
                f"For every single person or machine the accuracy lies between {low} and {high}",
                f"It is about the mean of all; '{short(far)}' alone has {percent(share, 1)}.",
            )
        )
    made += [
        (
            "95 % of the answers are right",
            f"{percent(found.value, 1)} of them are; 95 % says how often such an interval holds the true value.",
        ),
        (
            f"Each answer is given with a confidence between {low} and {high}",
            "A confidence belongs to one answer, the interval to the accuracy of all.",
        ),
        (
            f"The accuracy was between {low} and {high} in every epoch",
            "The test samples are looked at once, after the last epoch.",
        ),
    ]
    return made


RULE = Rule(rank=50, ask=ask)
