"""Questions on the prediction trace: confidence, and active units."""

from __future__ import annotations

from edgewright.core.formatting import percent
from edgewright.schema.trace import Trace
from edgewright.trace.questions import Draft, rule, short


@rule("confidence")
def confidence(trace: Trace) -> Draft | None:
    """Ask about the first traced answer of a classifier whose calibration was measured."""
    prediction = next((p for p in trace.predictions if p.probabilities), None)
    error = None if trace.evaluation is None else trace.evaluation.calibration_error
    if prediction is None or error is None:
        return None
    share, label = percent(prediction.confidence), short(prediction.answer)
    return Draft(
        70,
        f"The model answers '{label}, {share}'. What does {share} mean?",
        f"About {share} of all answers with this confidence are right",
        f"Confidence and share of right answers differ by {percent(error, 1)} on average here (the calibration "
        "error, over ten bins of confidence).",
        (
            f"The sample is '{label}' to {share} and something else to the rest",
            "A sample has one class. The figure is a confidence, not a proportion of the sample.",
            f"{share} of the training samples were '{label}'",
            "How frequent a class is in training does not depend on the sample; the confidence does.",
            f"{share} of the values of the hidden layers voted for '{label}'",
            "Values of a layer are not counted like votes: they are weighted and added up.",
        ),
        f"Prediction trace: {label}, {share}; Evaluation, calibration error {percent(error, 1)}",
        "prediction",
    )


@rule("active")
def active(trace: Trace) -> Draft | None:
    """Ask about the first traced layer with ReLU that gives zeros and others."""
    layers = (layer for prediction in trace.predictions for layer in prediction.layers)
    shown = next((layer for layer in layers if layer.activation == "relu" and 0 < layer.active < layer.size), None)
    if shown is None:
        return None
    figures = f"{shown.active:,} of {shown.size:,} active"
    return Draft(
        71,
        f"In the prediction trace the layer '{shown.name}' shows '{figures}'. What happened to the other "
        f"{shown.size - shown.active:,}?",
        "Their weighted sums were zero or less, so ReLU gave exactly 0: for this sample they pass nothing on",
        f"relu(z) = max(0, z). Here {percent(shown.active / shown.size)} are active; other samples have others.",
        (
            "Dropout removed them",
            "Dropout removes values only during training; an answer uses all of them.",
            "They were pruned: their weights were removed to save memory",
            f"All {shown.size:,} units and their weights exist and were computed.",
            "They are broken and never give anything",
            "One sample cannot show that; with other inputs they may well be above zero.",
        ),
        f"Prediction trace, {shown.name}: {figures}",
        "prediction",
    )
