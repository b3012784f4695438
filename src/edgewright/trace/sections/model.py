"""Model: a row for each layer with its cost, and the formulas."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import bytes_text, plural, shape_text
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.trace import LayerRecord, Trace
from edgewright.trace.facts import layer_costs, size_text, work_text
from edgewright.trace.network_drawing import boxes_of, drawing
from edgewright.trace.sections import Exported, Section
from edgewright.trace.view_blocks import Cell, Fold, Table, Template, ViewBlock, line, row

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
    return (Template("drawing.html", {"drawing": drawing(boxes)}),)


SECTION = Section(
    20,
    "Model",
    lambda trace: model_blocks(trace.layers),
    missing="This model has no layers, or it has not been built.",
    page=drawn_blocks,
)
