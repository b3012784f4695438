"""Prediction trace: one right and one wrong sample, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgewright.core.formatting import number, shape_text
from edgewright.schema.trace import Explained, LayerTrace, PredictionRecord, Trace
from edgewright.trace.blocks.view_blocks import Card, Cards, Span, Step, Steps, ViewBlock, line
from edgewright.trace.sections import Section
from edgewright.trace.sentences.facts import answer_text, layer_title, ranked
from edgewright.trace.sentences.opening import receiver

_VALUES, _SCORES = 64, 8
_SQUASHING = ("softmax", "sigmoid")
_RAW = "Input"


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build a card for each traced sample."""
    if not trace.predictions:
        return ()
    lead = "What the model did with each sample, layer by layer. All values are measured."
    cards = [prediction_card(record, anchor=f"prediction-{i}") for i, record in enumerate(trace.predictions, 1)]
    return line(lead), Cards(cards)


def prediction_card(record: PredictionRecord, title: str = "", anchor: str = "") -> Card:
    """Build the card of one traced sample.

    Args:
        record: of the sample.
        title: where the sample came from; its row in the data, from 1, when empty.
        anchor: of the card on the page.
    """
    unit = "Window" if len(record.raw_shape) > 1 else "Row"
    head: list[Span] = [(answer_text(record), "strong")]
    if record.right is not None:
        head.append(("right", "good") if record.right else (f"wrong: it is {record.truth}", "bad"))
    elif record.truth:
        head.append((f"truth {record.truth}", "quiet"))
    steps = [
        *_input(_RAW, record.raw, record.input_names, record.raw_shape),
        *_input(f"To the {receiver(record)}", record.features, record.feature_names, record.feature_shape),
        *(_layer(layer, layer is record.layers[-1] and bool(record.probabilities)) for layer in record.layers),
    ]
    if record.probabilities:
        steps.append(Step("Answer", chances=ranked(record)))
    return Card(title or f"{unit} {record.row + 1:,}", tuple(head), [Steps(steps)], anchor)


def explained_blocks(record: Explained) -> Sequence[ViewBlock]:
    """Build the card of a prediction that was requested, what lies outside the declared ranges, and notes."""
    outside = (line(f"outside the declared range: {text}", "warn") for text in record.outside)
    card = prediction_card(record.prediction, f"Prediction of {record.origin}")
    return Cards([card]), *outside, *(line(text, "quiet") for text in record.notes)


def _input(title: str, values: Sequence[float | None], names: Sequence[str], shape: Sequence[int]) -> list[Step]:
    """Return a step of readings: by name, or of a window the profile of its first channel."""
    if not values:
        return []
    text = f"{shape_text(shape or (len(values),))} values"
    if len(shape) > 1:
        channel = names[0] if names else "channel 1"
        return [Step(title, f"{text}, {channel}", _finite(values), f"{channel} over time")]
    pairs = [(names[i] if i < len(names) else f"{i + 1}", number(value)) for i, value in enumerate(values)]
    more = (math.prod(shape) if shape else len(values)) - len(values)
    # Readings of several units have no common scale; what a model takes has one.
    drawn_values = [] if title == _RAW else _finite(values)
    return [Step(title, text, drawn_values, f"{title}: values in order", pairs=pairs, more=more)]


def _layer(layer: LayerTrace, output: bool) -> Step:
    title = layer_title(layer)
    if output:
        scores = ", ".join(number(value) for value in layer.values[:_SCORES])
        more = f" and {layer.size - _SCORES:,} more" if layer.size > _SCORES else ""
        return Step(title, "" if layer.activation in _SQUASHING or not scores else f"scores {scores}{more}")
    text = f"{layer.active:,} of {layer.size:,} active"
    if not layer.values:
        return Step(title, text)
    cut = f", the first {len(layer.values)} shown" if len(layer.values) < layer.size else ""
    text += f", largest {number(max(layer.values))}{cut}"
    return Step(title, text, _finite(layer.values), f"{layer.name}: {text}")


def _finite(values: Sequence[float | None]) -> list[float]:
    return [0.0 if value is None or not math.isfinite(value) else float(value) for value in values[:_VALUES]]


SECTION = Section(60, "Prediction trace", blocks, missing="No prediction was traced in this run.")
