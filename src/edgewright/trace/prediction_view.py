"""One prediction, layer by layer: input values, hidden activations, output, answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.schema.trace import LayerTrace, PredictionRecord
from edgewright.trace.page import ACCENT, BAD, GOOD, QUIET, Page
from edgewright.trace.plot import spark
from edgewright.trace.words import fraction, number, percent, shape_text, shorten

SHOWN, WINDOW_SHOWN, CLASSES, LABEL = 4, 6, 4, 28
SQUASHING = ("softmax", "sigmoid")


def prediction_card(record: PredictionRecord, page: Page, place: str = "") -> RenderableType:
    """The card of one traced sample; `place` says where it came from, else its row in the data does, from 1."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row(Text("input", style=QUIET), _input(record, page))
    for layer in record.layers:
        output = layer is record.layers[-1]
        value = _output(record, layer) if output and record.probabilities else _hidden(layer, page)
        name = f"{layer.name} ({layer.activation})" if layer.activation not in ("", "linear") else layer.name
        grid.add_row(Text(shorten(name, LABEL, page.ellipsis), style=QUIET), value)
    if not record.layers and record.probabilities:
        grid.add_row(Text("output", style=QUIET), _probabilities(record))
    grid.add_row(Text("answer", style=QUIET), _answer(record))
    kind = "window" if len(record.raw_shape) > 1 else "row"
    return page.card(f"Prediction of {place or f'{kind} {record.row + 1:,}'}", [grid])


def _input(record: PredictionRecord, page: Page) -> RenderableType:
    """The raw readings by name, and what the network receives of them."""
    lines = []
    if record.raw:
        lines.append(_values(record.raw, record.input_names, record.raw_shape))
    if record.features:
        received = _values(record.features, record.feature_names, record.feature_shape)
        count = shape_text(record.feature_shape or (len(record.features),))
        lines.append(f"{count} features to the network: {received}" if record.raw else received)
    return Text("\n".join(lines) or "not recorded")


def _values(values: Sequence[float | None], names: Sequence[str], shape: Sequence[int]) -> str:
    """The first values by name, and how many more there are; of a window the first ones of its first channel."""
    total = math.prod(shape) if shape else len(values)
    if len(shape) > 1:
        first = ", ".join(number(value) for value in values[:WINDOW_SHOWN])
        return f"{names[0] if names else 'channel 1'}: {first}, ... ({shape_text(shape)} values)"
    said = [f"{name} {number(value)}" for name, value in zip(names, values, strict=False)] or [
        number(value) for value in values
    ]
    shown = SHOWN if names else WINDOW_SHOWN
    more = f" and {total - shown:,} more" if total > shown else ""
    return ", ".join(said[:shown]) + more


def _hidden(layer: LayerTrace, page: Page) -> RenderableType:
    """How many activations are above zero, and their profile."""
    text = Text(f"{layer.active:,} of {layer.size:,} active")
    if layer.values:
        text.append(f", largest {number(max(layer.values))}", style=QUIET)
        shown = min(len(layer.values), max(8, page.inner - LABEL - 4), 64)
        edge = "▕", "▏"
        if not page.unicode:
            edge = "[", "]"
        text.append(f"\n{edge[0]}{spark(layer.values, page.unicode, shown)}{edge[1]}", style="cyan")
    return text


def _output(record: PredictionRecord, layer: LayerTrace) -> RenderableType:
    """The scores before, the probabilities after."""
    scores = ", ".join(number(value) for value in layer.values[:CLASSES])
    more = ", ..." if layer.size > CLASSES else ""
    if layer.activation in SQUASHING or not scores:
        return _probabilities(record)
    return Text.assemble(f"scores {scores}{more}\n", _probabilities(record))


def _probabilities(record: PredictionRecord) -> Text:
    ranked = sorted(record.probabilities, key=lambda p: (-p[1], p[0]))
    text = Text()
    for i, (label, value) in enumerate(ranked[:CLASSES]):
        text.append(", " if i else "")
        text.append(f"{label} {fraction(value)}", style="bold" if i == 0 else "")
    if len(ranked) > CLASSES:
        text.append(f" and {len(ranked) - CLASSES:,} more", style=QUIET)
    return text


def _answer(record: PredictionRecord) -> Text:
    """'walking, 85 %', and the truth where it is known; a regression's answer has no confidence."""
    said = f"{record.answer}, {percent(record.confidence)}" if record.probabilities else record.answer
    text = Text(said, style=ACCENT)
    if record.right is True:
        text.append("   right", style=GOOD)
    elif record.right is False:
        text.append(f"   wrong: it is {record.truth}", style=BAD)
    elif record.truth:
        text.append(f"   truth {record.truth}", style=QUIET)
    return text
