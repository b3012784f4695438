"""Why samples are split the way they are."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import EVALUATION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import plural

_KEPT = {
    "group": ("person or machine", "new people or machines"),
    "session": ("session", "new sessions"),
    "time": ("stretch of time", "later days"),
}


def ask(trace: Trace) -> Question | None:
    """Asked where something was kept whole on one side: a person, a session, a stretch of time."""
    evaluation = trace.evaluation
    if evaluation is None or evaluation.split_by not in _KEPT:
        return None
    kept, new = _KEPT[evaluation.split_by]
    count = f"{plural(evaluation.samples, 'sample')}"
    of = f" of {len(evaluation.groups)} people or machines" if evaluation.groups else ""
    return question(
        trace,
        Ask(
            name="split",
            text=f"Why does no {kept} of this run stand on both sides of the split?",
            right=(
                f"So that the {count} that evaluate say how well the model does for {new}",
                f"{count}{of} were held back. Samples of one {kept} are alike: with some of them in training the "
                "figures would look better than they are.",
            ),
            wrong=(
                (
                    "So that training is faster, as fewer samples are read",
                    "How many samples train is set by a share, and the same with any way of splitting.",
                ),
                (
                    "So that every class is equally frequent on both sides",
                    f"Keeping a {kept} whole does nothing for that; classes may even become less even.",
                ),
                (
                    "So that the test samples can be used to choose the best epoch",
                    "Validation samples choose the epoch. The test samples are looked at once, at the end.",
                ),
            ),
            rests_on=f"Evaluation: {evaluation.samples:,} test samples, split by {evaluation.split_by}",
            anchor=EVALUATION,
        ),
    )


RULE = Rule(rank=52, ask=ask)
