"""Values kept as unsigned bytes become signed ones, 128 lower with a zero point 128 lower: the same real numbers."""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode
from edgewright.schema.graph import Array

ORDER = 18
_SHIFT = 128
# What takes bytes as they are; only the first input is data.
_MOVES = frozenset(
    {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Identity"}
)


def run(draft: Draft) -> None:
    """Shift them all; a model with unsigned bytes that something else reads stays as it is."""
    names = _unsigned(draft)
    if not names or names.intersection(draft.outputs):
        return
    for node in draft.nodes:
        reads = names.intersection(node.inputs)
        first = bool(reads) and node.inputs[0] in reads and len([n for n in node.inputs if n in reads]) == 1
        if reads and not (first and (node.kind in _MOVES or node.kind == "DequantizeLinear")):
            return
    for node in draft.nodes:
        if node.kind == "QuantizeLinear" and node.outputs[0] in names:
            node.attributes.pop("output_dtype", None)
            _shift_zero(draft, node)
        elif node.kind == "DequantizeLinear" and node.inputs[0] in names:
            _shift_zero(draft, node)
        elif node.kind == "DequantizeLinear":
            array = draft.array(node.inputs[0])
            if array is not None and array.dtype == np.uint8:
                node.inputs[0] = draft.constant(_shifted(array))
                _shift_zero(draft, node)


def _unsigned(draft: Draft) -> set[str]:
    """Return values that are unsigned bytes."""
    names: set[str] = set()
    for node in draft.nodes:
        moved = node.kind in _MOVES and bool(node.inputs) and node.inputs[0] in names
        if moved or (node.kind == "QuantizeLinear" and _rounds_to_unsigned(draft, node)):
            names.add(node.outputs[0])
    return names


def _rounds_to_unsigned(draft: Draft, node: DraftNode) -> bool:
    if len(node.inputs) < 3 or not node.inputs[2]:
        # Without a zero point the standard takes unsigned bytes, whose number is 2.
        return int(node.attributes.get("output_dtype", 0)) in (0, 2)
    zero = draft.array(node.inputs[2])
    return zero is not None and zero.dtype == np.uint8


def _shift_zero(draft: Draft, node: DraftNode) -> None:
    zero = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    scale = draft.array(node.inputs[1])
    none = np.zeros(() if scale is None else scale.shape, np.uint8)
    node.inputs = [*node.inputs[:2], draft.constant(_shifted(none if zero is None else zero))]


def _shifted(array: Array) -> Array:
    return (array.astype(np.int16) - _SHIFT).astype(np.int8)
