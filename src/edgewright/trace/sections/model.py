"""Model: a drawing of the exported graph, a row for each layer with its cost, and the formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from edgewright.core.formatting import bytes_text, plural, shape_text, shorten
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.graph import Graph, Node
from edgewright.schema.trace import LayerRecord, Trace
from edgewright.trace.blocks.charts import drawing, svg_text
from edgewright.trace.blocks.view_blocks import Cell, Fold, Table, Template, ViewBlock, line, row
from edgewright.trace.page_model import value_shapes
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.facts import layer_costs, size_text, work_text

_WIDTH, _HEIGHT, _GAP, _NARROW = 400.0, 38.0, 16.0, 250.0
_MAX_LAYERS = 40
_LAYERS = {
    "Gemm": "Dense", "MatMul": "Dense", "Conv": "Convolution", "MaxPool": "Max pooling",
    "AveragePool": "Average pooling", "GlobalAveragePool": "Global average", "GlobalMaxPool": "Global maximum",
    "Concat": "Join", "LSTM": "LSTM", "GRU": "GRU",
}  # fmt: skip
_ACTIVATIONS = {
    "Relu": "ReLU", "LeakyRelu": "leaky ReLU", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax",
}  # fmt: skip


@dataclass
class Box:
    """A part of the drawing.

    Attributes:
        title: what it is.
        shape: of what it gives, for one sample.
        detail: its weights or operators, for pointing at it.
        kind: 'data', 'stage' or 'layer'.
    """

    title: str
    shape: tuple[int, ...]
    detail: str = ""
    kind: str = "stage"


def boxes_of(graph: Graph, *, network: bool) -> list[Box]:
    """Return what is drawn of a graph, from the input to the answer.

    Args:
        graph: as it is exported.
        network: whether its model is a network, whose layers are drawn one by one.
    """
    shapes = value_shapes(graph)
    boxes = [Box("Input", graph.inputs[0].shape, kind="data")]
    marks = graph.stages or ()
    counted = _operators(graph)
    boxes += [
        Box(mark.stage, shapes.get(mark.value, ()), plural(counted.get(mark.value, 0), "operator"))
        for mark in marks[:-1]
    ]
    layers = list(_layers(graph, shapes)) if network else []
    if layers and len(layers) <= _MAX_LAYERS:
        boxes += layers
    elif marks:
        value = marks[-1].value
        boxes.append(Box("model", shapes.get(value, ()), plural(counted.get(value, 0), "operator"), "layer"))
    classes = f"Answer: one of {plural(len(graph.labels), 'class', 'classes')}" if graph.labels else "Answer: an amount"
    boxes.append(Box(classes, (len(graph.labels) or 1,), kind="data"))
    return boxes


def _operators(graph: Graph) -> dict[str, int]:
    """Return how many operators each stage has, by the value that it ends with."""
    ends = [mark.value for mark in graph.stages]
    counts: dict[str, int] = {}
    count = 0
    for node in graph.nodes:
        count += 1
        for output in node.outputs:
            if output in ends:
                counts[output] = count
                count = 0
    return counts


def _layers(graph: Graph, shapes: dict[str, tuple[int, ...]]) -> Iterator[Box]:
    """Yield the layers between the boundary and the end of the model, activations with the layer before them."""
    box: Box | None = None
    for node in _after_boundary(graph):
        shape = shapes.get(node.outputs[0], ())
        if node.op in _LAYERS:
            if box is not None:
                yield box
            weights = sum(graph.constants[name].size for name in node.inputs if name in graph.constants)
            box = Box(_LAYERS[node.op], shape, plural(weights, "weight") if weights else "no weights", "layer")
        elif node.op in _ACTIVATIONS and box is not None:
            box.title += f", {_ACTIVATIONS[node.op]}"
        elif box is not None:
            box.shape = shape
    if box is not None:
        yield box


def _after_boundary(graph: Graph) -> list[Node]:
    reached, kept = {graph.boundary}, list[Node]()
    end = graph.stages[-1].value if graph.stages else ""
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            kept.append(node)
        if end in node.outputs:
            break
    return kept


def boxes_drawing(boxes: Sequence[Box]) -> Markup:
    """Return the boxes below each other as SVG: the wider one is, the more values it gives (by the logarithm)."""
    largest = max(math.log1p(math.prod(box.shape)) for box in boxes) or 1.0
    height = len(boxes) * (_HEIGHT + _GAP) - _GAP
    parts = [_box_svg(box, index * (_HEIGHT + _GAP), math.log1p(math.prod(box.shape)) / largest, arrow=index > 0)
             for index, box in enumerate(boxes)]  # fmt: skip
    label = "The exported graph: " + ", then ".join(f"{box.title} {shape_text(box.shape)}".strip() for box in boxes)
    return drawing(parts, label, _WIDTH, height, 13)


def _box_svg(box: Box, y: float, share: float, *, arrow: bool) -> str:
    """Return one box at a height, as wide as its share of the widest, with the arrow that leads to it."""
    width = _NARROW + (_WIDTH - 2 - _NARROW) * share
    x, middle, base = (_WIDTH - width) / 2, _WIDTH / 2, y + 24
    lead = f'<path d="M{middle:g} {y - _GAP:g}v{_GAP - 3:g}m-4 -4l4 5l4 -5" fill="none" stroke="var(--quiet)"/>'
    fill = {"data": "var(--paper)", "stage": "var(--soft)", "layer": "var(--tint)"}[box.kind]
    about = f"<title>{escape(box.detail)}</title>" if box.detail else ""
    return (
        f"{lead if arrow else ''}<g>{about}"
        f'<rect x="{x:.4g}" y="{y + 1:g}" width="{width:.4g}" height="{_HEIGHT - 2:g}" rx="6" fill="{fill}" '
        f'stroke="var(--line)"/>{svg_text(x + 12, base, shorten(box.title, 26), colour="ink")}'
        f"{svg_text(x + width - 12, base, shape_text(box.shape), 'end')}</g>"
    )


_FOLD_ABOVE = 40


def model_blocks(layers: Sequence[LayerRecord]) -> Sequence[ViewBlock]:
    """Build the totals, the layers with their share of the size, and each formula once."""
    if not layers:
        return ()
    words, counts = layer_costs(layers)
    size, work = (sum(column) for column in zip(*counts, strict=True))
    largest = bytes_text(max(layer.activation_bytes for layer in layers))
    rows = [
        row(
            layer.name if layer.name.startswith(layer.kind) else f"{layer.name} ({layer.kind})",
            shape_text(layer.shape_out),
            Cell(f"{own:,}", meter=own / size if size else 0.0),
            f"{steps:,}" if work else "-",
            bytes_text(layer.activation_bytes),
            layer.activation,
        )
        for layer, (own, steps) in zip(layers, counts, strict=True)
    ]
    rows.append(row("total", "", f"{size:,}", f"{work:,}" if work else "-", f"max {largest}", "", kind="total"))
    headers = ("layer", "output", *(f"#{word}" for word in words), "#activations", "function")
    table = Table("Layers", headers, rows, "measured")
    formulas = dict.fromkeys((layer.kind, layer.formula) for layer in layers if layer.formula)
    takes = work_text(layers) or "no multiply-accumulates"
    takes = takes.replace("multiply-accumulates", "multiply-accumulates (MACs)")
    lead = (
        f"{size_text(layers)} in {plural(len(layers), 'layer')}, {takes} an inference, at most {largest} of "
        "activations in float32."
    )
    return (
        line(lead),
        Fold(f"All {len(layers)} layers", [table], [table]) if len(layers) > _FOLD_ABOVE else table,
        *(line(f"{kind}: {formula}", "formula") for kind, formula in formulas),
    )


def drawn_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the drawing of the exported graph; nothing where it is not at hand."""
    if exported.graph is None:
        return ()
    try:
        boxes = boxes_of(exported.graph, network=bool(trace.layers))
    except EdgewrightError:
        # An operator or a shape that the desk's executor refuses: the tables below stand without the drawing.
        return ()
    return (Template("drawing.html", {"drawing": boxes_drawing(boxes)}),)


SECTION = Section(
    20, "Model", lambda trace: model_blocks(trace.layers),
    missing="This model has no layers, or it has not been built.", page=drawn_blocks,
)  # fmt: skip
