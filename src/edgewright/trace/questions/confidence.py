"""What the confidence of an answer says."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import PREDICTION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question, short
from edgewright.trace.words import percent


def ask(trace: Trace) -> Question | None:
    """Asked of the first traced answer of a classifier whose calibration was measured."""
    found = next((p for p in trace.predictions if p.probabilities), None)
    error = None if trace.evaluation is None else trace.evaluation.calibration_error
    if found is None or error is None:
        return None
    share, label = percent(found.confidence), short(found.answer)
    return question(
        trace,
        Ask(
            name="confidence",
            text=f"The model answers '{label}, {share}'. What does {share} mean?",
            right=(
                f"Of answers given with such a confidence about {share} are right",
                f"Confidence and share of right answers differ by {percent(error, 1)} on average here (the calibration "
                "error, over ten bins of confidence).",
            ),
            wrong=(
                (
                    f"The sample is '{label}' to {share} and something else to the rest",
                    "A sample is of one class. The figure says how sure the model may be, not how much of it is there.",
                ),
                (
                    f"{share} of the training samples were '{label}'",
                    "How frequent a class is in training does not depend on the sample; the confidence does.",
                ),
                (
                    f"{share} of the values of the hidden layers spoke for '{label}'",
                    "Values of a layer are not counted like votes: they are weighted and added up.",
                ),
            ),
            rests_on=f"Prediction trace: {label}, {share}; Evaluation, calibration error {percent(error, 1)}",
            anchor=PREDICTION,
        ),
    )


RULE = Rule(rank=70, ask=ask)
