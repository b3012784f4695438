"""Which class is taken for which most often."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import EvaluationRecord, Trace
from edgewright.trace.anchors import EVALUATION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question, short
from edgewright.trace.words import plural

Pair = tuple[int, str, str]


def ask(trace: Trace) -> Question | None:
    """Asked where one confusion is more frequent than all others."""
    evaluation = trace.evaluation
    pairs = [] if evaluation is None else _pairs(evaluation)
    if evaluation is None or len(pairs) < 2 or pairs[0][0] <= pairs[1][0]:
        return None
    count, truth, answer = pairs[0]
    back = next((n for n, t, a in pairs if (t, a) == (answer, truth)), 0)
    wrong = [
        (_said(t, a), f"That happened {_times(n)}; {_said(truth, answer)} {_times(count)}.") for n, t, a in pairs[1:4]
    ]
    wrong += [
        (
            f"'{short(truth)}' and '{short(answer)}' are confused equally often in both directions",
            f"{_said(truth, answer)} {_times(count)}, the other way round {_times(back)}.",
        ),
        (
            "None: all classes are told apart",
            f"{sum(n for n, _, _ in pairs):,} of {evaluation.samples:,} test samples were given a wrong class.",
        ),
    ]  # fmt: skip
    return question(
        trace,
        Ask(
            name="confused",
            text="Which mistake does this model make most often on the test samples?",
            right=(_said(truth, answer), f"The confusion matrix counts {count:,}, the most off its diagonal."),
            wrong=wrong,
            rests_on=f"Evaluation, confusion matrix: truth {short(truth)}, answer {short(answer)}: {count:,}",
            anchor=EVALUATION,
        ),
    )  # fmt: skip


def _pairs(evaluation: EvaluationRecord) -> list[Pair]:
    """Count, truth and answer of every confusion, the most frequent first."""
    labels = evaluation.labels
    if len(labels) != len(evaluation.confusion):
        return []
    made = [
        (count, labels[i], labels[j])
        for i, row in enumerate(evaluation.confusion)
        for j, count in enumerate(row)
        if i != j
    ]
    return sorted(made, key=lambda pair: (-pair[0], pair[1], pair[2]))


def _said(truth: str, answer: str) -> str:
    return f"'{short(truth)}' taken for '{short(answer)}'"


def _times(count: int) -> str:
    return plural(count, "time")


RULE = Rule(rank=51, ask=ask)
