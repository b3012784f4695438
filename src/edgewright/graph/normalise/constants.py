"""Constant folding: values that do not depend on the data are computed in advance, also those of shapes.

Exporters write 'reshape to (batch, rest)' as a dozen operators over the shape of a value. Every value is computed for
two batch lengths: what comes from shapes alone and is the same for both is a constant, and a Reshape whose target
differs only in the batch gets -1 there.
"""

from __future__ import annotations

import math

import numpy as np

from edgewright.graph.draft import Chain, Draft, DraftNode
from edgewright.graph.normalise._values import Values, known, start, step
from edgewright.schema.errors import InputError

ORDER = 50
_SHAPES = frozenset({"Shape", "Size"})
_FILLS = frozenset({"ConstantOfShape", "Expand", "Tile"})


def run(draft: Draft) -> None:
    """Fold them.

    Raises:
        InputError: naming the operators the dialect has no word for, or an input that does not fit.
    """
    values = start(draft)
    from_shapes = set(draft.constants)
    kept: list[DraftNode] = []
    for node in draft.nodes:
        if not known(node) or (node.op == "Tile" and node.inputs[0] not in from_shapes):
            draft.refuse_unknown()
        step(node, values)
        name = node.outputs[0]
        alone = bool(node.inputs) and all(not n or n in from_shapes for n in node.inputs)
        # Weights that are stored as bytes stay bytes.
        if node.op in _SHAPES or (alone and node.op != "DequantizeLinear"):
            from_shapes.add(name)
            if all((value[name].shape, value[name].tobytes()) == _of(values[0], name) for value in values):
                draft.constants[name] = values[0][name]
                continue
            if node.op in _FILLS and not draft.fixed_batch:
                kept += _repeated(draft, node, values)
                continue
        if node.op == "Reshape":
            node.inputs[1] = draft.integers(target(values, name, node, draft.fixed_batch))
            node.attributes.pop("allowzero", None)
            for value in values:
                value[node.inputs[1]] = draft.constants[node.inputs[1]]
        kept.append(node)
    draft.nodes = kept


def _repeated(draft: Draft, node: DraftNode, values: list[Values]) -> list[DraftNode]:
    """Return a constant repeated for each sample, by a Where between the constant and itself with the batch length."""
    results = [value[node.outputs[0]] for value in values]
    row = results[0][:1]
    if any(
        value.shape[1:] != row.shape[1:] or not np.array_equal(value, np.broadcast_to(row, value.shape))
        for value in results
    ):
        return [node]
    chain = Chain(draft)
    flat = chain.op("Reshape", draft.source.name, [-1, math.prod(draft.source.shape)])
    first = chain.op("Gather", flat, [0], axis=1)
    tall = chain.op("Reshape", chain.op("Equal", first, first), [-1, *(1,) * (row.ndim - 1)])
    constant = draft.constant(row)
    nodes = chain.end(chain.op("Where", tall, constant, constant), node.outputs[0])
    for value in values:
        del value[node.outputs[0]]
        value.update({name: draft.constants[name] for part in nodes for name in part.inputs if name in draft.constants})
    for part in nodes:
        step(part, values)
    return nodes


def _of(values: Values, name: str) -> tuple[tuple[int, ...], bytes]:
    return values[name].shape, values[name].tobytes()


def target(values: list[Values], name: str, node: DraftNode, fixed: int) -> tuple[int, ...]:
    """Return the shape of a value as Reshape takes it: -1 for the axis that grows with the batch.

    Raises:
        InputError: when more than one axis does.
    """
    shapes = [value[name].shape for value in values]
    if fixed:
        first = values[0][node.inputs[0]]
        return (-1, *shapes[0][1:]) if shapes[0][:1] == first.shape[:1] == (fixed,) else shapes[0]
    grows = [axis for axis, lengths in enumerate(zip(*shapes, strict=True)) if len(set(lengths)) > 1]
    if len(grows) > 1:
        raise InputError("one axis that grows with the batch", f"axes {grows}", node.where)
    return tuple(-1 if axis in grows else length for axis, length in enumerate(shapes[0]))
