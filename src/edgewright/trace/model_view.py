"""The model's table: a row a layer, with totals."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.schema.trace import LayerRecord
from edgewright.trace.page import Page, add, note, table
from edgewright.trace.words import bytes_text, shape_text

FORMULA_WIDTH = 40


def model_table(layers: Sequence[LayerRecord], page: Page) -> RenderableType:
    """Output shape, parameters, multiply-accumulates, activation bytes and formula of every layer.

    Formulas stand in their own column where the page is wide, below the table (each once) where it is not.
    """
    wide = page.width >= 96 and all(len(layer.formula) <= FORMULA_WIDTH for layer in layers)
    heads = ["layer", "output", "parameters", "MACs", "activations", "function"]
    made = table([*heads, *(["formula"] if wide else [])], (2, 3, 4))
    for layer in layers:
        add(
            made,
            layer.name if layer.name.startswith(layer.kind) else f"{layer.name} ({layer.kind})",
            shape_text(layer.shape_out),
            f"{layer.parameters:,}",
            f"{layer.macs:,}",
            bytes_text(layer.activation_bytes),
            layer.activation,
            *([layer.formula] if wide else []),
        )
    parameters, macs = sum(x.parameters for x in layers), sum(x.macs for x in layers)
    largest = max((x.activation_bytes for x in layers), default=0)
    add(made, "total", "", f"{parameters:,}", f"{macs:,}", f"max {bytes_text(largest)}", "", style="bold")
    parts: list[RenderableType] = [made]
    if not wide:
        formulas = dict.fromkeys((layer.kind, layer.formula) for layer in layers if layer.formula)
        parts += [Text(f"{kind}: {formula}") for kind, formula in formulas]
    parts.append(note("MACs: multiply-accumulates an inference; activations in float32"))
    return Group(*parts)
