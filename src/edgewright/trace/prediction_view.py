"""One prediction, layer by layer: input values, hidden activations, output, answer."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.schema.trace import LayerTrace, PredictionRecord
from edgewright.trace.page import ACCENT, BAD, GOOD, QUIET, Page
from edgewright.trace.plot import spark
from edgewright.trace.words import fraction, number, percent, shorten

SHOWN, CLASSES, LABEL = 4, 4, 24
SQUASHING = ("softmax", "sigmoid")


def prediction_card(record: PredictionRecord, page: Page) -> RenderableType:
    """The card of one traced sample."""
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
    return page.card(f"Prediction of row {record.row:,}", [grid])


def _input(record: PredictionRecord, page: Page) -> RenderableType:
    """The raw readings by name, and what the network receives of them."""
    pairs = [f"{name} {number(value)}" for name, value in zip(record.input_names, record.raw, strict=False)]
    raw = pairs or [number(value) for value in record.raw]
    lines = []
    if raw:
        lines.append(_first(raw, len(raw)))
    if record.features:
        named = zip(record.feature_names, record.features, strict=False)
        features = [f"{name} {number(value)}" for name, value in named] or [number(v) for v in record.features]
        shown = SHOWN if record.feature_names else 6
        text = f"{len(features):,} features to the network: {_first(features, len(features), shown)}"
        lines.append(text if raw else _first(features, len(features), shown))
    return Text("\n".join(lines) or "not recorded")


def _first(values: list[str], total: int, shown: int = SHOWN) -> str:
    """The first values, and how many more there are."""
    more = f" and {total - shown:,} more" if total > shown else ""
    return ", ".join(values[:shown]) + more


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
