"""Sections about the model: its layers, its smaller forms, and whether they fit the device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape
from msgspec import UnsetType

from edgewright.core.errors import EdgewrightError
from edgewright.core.formatting import (
    amount,
    bytes_text,
    estimated_latency,
    fraction,
    microseconds_text,
    number,
    percent,
    plural,
    points,
    shape_text,
    shorten,
    speed_text,
)
from edgewright.core.records.network import Graph, Node
from edgewright.core.records.trace import (
    BudgetRow,
    CompressionRecord,
    DeviceRecord,
    Interval,
    LayerRecord,
    Trace,
    VariantRecord,
)
from edgewright.trace.blocks.charts import drawing, svg_text
from edgewright.trace.blocks.view_blocks import Cell, Fold, Line, Row, Table, Template, ViewBlock, line, row
from edgewright.trace.page_model import value_shapes
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.facts import (
    budget_share,
    compression_notes,
    engine_flips_text,
    interval_text,
    layer_costs,
    size_text,
    work_text,
)
from edgewright.trace.sentences.readiness import FRAGILE

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


MODEL = Section(
    20, "Model", lambda trace: model_blocks(trace.layers),
    missing="This model has no layers, or it has not been built.", page=drawn_blocks,
)  # fmt: skip


def compression_blocks(record: CompressionRecord | None) -> Sequence[ViewBlock]:
    """Build forms, ratios, the limit, latency, the whole program, flips, notes and disturbances."""
    if record is None or not record.variants:
        return ()
    classes = any(form.accuracy is not None for form in record.variants)
    blocks: list[ViewBlock] = [_forms(record, classes)]
    ratios = _int8_against_float(record)
    blocks += [line(ratios)] if ratios else []
    if len(record.variants) > 1:
        blocks.append(line(_limit(record, classes), "" if record.within else "bad", "compression-limit"))
    blocks.append(_latency(record))
    program = [_program(form) for form in record.variants if form.device_flash and form.device_ram]
    if program:
        heads = ("form", "#flash", "#RAM")
        blocks.append(Table(f"Whole program on {record.device or 'the device'}", heads, program, "estimated"))
    for form in record.variants:
        blocks += [line(text, "quiet") for text in (_flips(form), engine_flips_text(form)) if text]
    blocks += [line(text, "quiet") for text in compression_notes(record)]
    if record.robustness:
        disturbed = [
            row(
                disturbance.disturbance,
                fraction(disturbance.accuracy),
                Cell(f"{100 * disturbance.change:+.1f} points", "bad" if disturbance.change < -FRAGILE else ""),
            )
            for disturbance in record.robustness
        ]
        heads = ("plausible change", "#accuracy", "#difference")
        blocks.append(
            Table(f"{record.variants[-1].name} under plausible errors of sensors", heads, disturbed, "measured")
        )
    return blocks


def _forms(record: CompressionRecord, classes: bool) -> Table:
    largest = max(form.weight_bytes for form in record.variants) or 1
    has_centres = not isinstance(record.variants[0].f1, UnsetType)
    measure = "F1 of centres (95 %)" if has_centres else "accuracy (95 %)" if classes else "error"
    heads = ("form", f"#{measure}", "#flips", "#weights", "#file", "how")
    return Table("Forms of the model", heads, [
        row(
            form.name,
            _score(form),
            f"{form.flips:,}" if classes else "-",
            Cell(bytes_text(form.weight_bytes), meter=form.weight_bytes / largest) if form.weight_bytes else "-",
            bytes_text(form.file_bytes),
            Cell(form.how, form.how),
            anchor=f"compression-{form.name}",
        )
        for form in record.variants
    ])  # fmt: skip


def _score(form: VariantRecord) -> str:
    if not isinstance(form.f1, UnsetType):
        return interval_text(form.f1)
    return interval_text(form.accuracy) if form.error is None else number(form.error)


def _latency(record: CompressionRecord) -> Table:
    estimated = any(form.device_us is not None for form in record.variants)
    heads = ("form", "#p50 here", "#p99 here", "engine", *([f"#on {record.device}"] if estimated else []))
    rows: list[Row] = []
    for form in record.variants:
        cells = [form.name, microseconds_text(form.latency_p50_us), microseconds_text(form.latency_p99_us), form.engine]
        rows.append(row(*cells, *([_spread(form.device_us)] if estimated else [])))
    measured = Cell("measured", "measured")
    rows.append(row("how", measured, measured, "", *[Cell("estimated", "estimated")] * estimated, kind="marks"))
    return Table("Time for one sample", heads, rows, anchor="compression-latency")


def _spread(latency: Interval | None) -> str:
    """Return a latency with its error bar: '12 µs (10 µs to 15 µs)'."""
    if latency is None:
        return "-"
    text, span = estimated_latency(latency.value, latency.low, latency.high)
    return f"{text} ({span})" if span else text


def _program(form: VariantRecord) -> Row:
    sizes = [size for size in (form.device_flash, form.device_ram) if size is not None]
    return row(form.name, *(interval_text(size, bytes_text) for size in sizes))


def _int8_against_float(record: CompressionRecord) -> str:
    whole, small = record.form("float"), record.form("int8")
    if whole is None or small is None:
        return ""
    gains = [
        f"{name} {before / after:.1f}x smaller"
        for name, before, after in (
            ("weights", whole.weight_bytes, small.weight_bytes), ("file", whole.file_bytes, small.file_bytes),
        )
        if after > 0
    ]  # fmt: skip
    if whole.latency_p50_us and small.latency_p50_us:
        gains.append(speed_text(whole.latency_p50_us, small.latency_p50_us))
    return f"int8 against float: {', '.join(gains)}" if gains else ""


def _limit(record: CompressionRecord, classes: bool) -> str:
    """Return whether the drop stays within the limit: 'accuracy lost: 0.2 points, within the limit of 2 points'."""
    if classes:
        word, size, limit = "accuracy lost", points(record.drop), points(record.max_drop)
        word = word if record.drop >= 0 else "accuracy gained"
    else:
        word = "error added" if record.drop >= 0 else "error reduced"
        size, limit = percent(abs(record.drop), 1), percent(record.max_drop, 1)
    return f"{word}: {size}, {'within' if record.within else 'ABOVE'} the limit of {limit}"


def _flips(form: VariantRecord) -> str:
    """Return which classes the form changes; empty where it changes none."""
    changed = ", ".join(f"{label} ({count:,})" for label, count in form.flips_by_class if count)
    if not changed:
        return ""
    return f"{form.name} predicts a different class than float for {plural(form.flips, 'sample')}: {changed}"


COMPRESSION = Section(
    70,
    "Compression",
    lambda trace: compression_blocks(trace.compression),
    missing="The model was not compressed in this run.",
)


def device_blocks(record: DeviceRecord | None) -> Sequence[ViewBlock]:
    """Build the verdict, a row for each budget, and notes."""
    if record is None:
        return ()
    heads = ("budget", "#used", "#from - to", "#available", "#share", "bar", "how")
    rows = [
        row(
            budget.name,
            *_used(budget),
            amount(budget.available, budget.unit) if budget.available > 0 else "no limit",
            budget_share(budget),
            Cell("", budget=budget),
            Cell(budget.how, budget.how),
        )
        for budget in record.rows
    ]
    about = f": {record.description}. " if record.description else ". "
    return (
        Line(
            (
                (record.profile, "strong"),
                (about, ""),
                ("fits every budget", "good") if record.fits else ("does not fit", "bad"),
            )
        ),
        Table("Budgets", heads, rows),
        *(line(note, "quiet") for note in record.notes),
    )


def _used(budget: BudgetRow) -> tuple[str, str]:
    if budget.how == "measured":
        return amount(budget.used, budget.unit), ""
    if budget.unit == "us":
        return estimated_latency(budget.used, budget.low, budget.high)
    return amount(budget.used, budget.unit), f"{amount(budget.low, budget.unit)} to {amount(budget.high, budget.unit)}"


def unnoticed_blocks(missed: Sequence[str]) -> Sequence[ViewBlock]:
    """Build the list of what a comparison of later data with the training data does not show; empty for none."""
    if not missed:
        return ()
    return (
        line("The command edgewright drift compares later data with the training data. It does not see these changes."),
        Table("This model cannot notice", ("change of the data",), [row(text) for text in missed]),
    )


def _device_blocks(trace: Trace) -> Sequence[ViewBlock]:
    return (*device_blocks(trace.device), *unnoticed_blocks(trace.unnoticed))


DEVICE = Section(80, "Device fit", _device_blocks, missing="This run did not check a device.")


SECTIONS = {
    "model": MODEL,
    "compression": COMPRESSION,
    "device": DEVICE,
}
