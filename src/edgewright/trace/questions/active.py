"""What it means that only some values of a layer are above zero."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.schema.lesson import Question
from edgewright.schema.trace import LayerTrace, PredictionRecord, Trace
from edgewright.trace.anchors import PREDICTION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import percent


def ask(trace: Trace) -> Question | None:
    """Asked of the first traced layer with ReLU that gives zeros and others."""
    shown = next(_layers(trace.predictions), None)
    if shown is None:
        return None
    off = shown.size - shown.active
    return question(
        trace,
        Ask(
            name="active",
            text=f"In the prediction trace the layer '{shown.name}' shows '{shown.active:,} of {shown.size:,} active'. "
            f"What happened to the other {off:,}?",
            right=(
                "Their weighted sums were zero or less, so ReLU gave exactly 0: for this sample they pass nothing on",
                f"relu(z) = max(0, z). For another sample others are active: {percent(shown.active / shown.size)} are "
                "here.",
            ),
            wrong=(
                (
                    "They were left out by dropout",
                    "Dropout leaves out values while training only; an answer uses all of them.",
                ),
                (
                    "They were pruned: their weights were removed to save memory",
                    f"All {shown.size:,} units and their weights are there and were worked out.",
                ),
                (
                    "They are broken and never give anything",
                    "Nothing of the kind follows from one sample; with other inputs they may well be above zero.",
                ),
            ),
            rests_on=f"Prediction trace, {shown.name}: {shown.active:,} of {shown.size:,} active",
            anchor=PREDICTION,
        ),
    )


def _layers(predictions: tuple[PredictionRecord, ...]) -> Iterator[LayerTrace]:
    for prediction in predictions:
        yield from (layer for layer in prediction.layers if _some(layer))


def _some(layer: LayerTrace) -> bool:
    return layer.activation == "relu" and 0 < layer.active < layer.size


RULE = Rule(rank=71, ask=ask)
