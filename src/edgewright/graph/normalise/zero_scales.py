"""Weights with a scale of 0, as quantisers write a pruned channel: integers of 0 on a scale that kernels can have."""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import call
from edgewright.schema.graph import Array

ORDER = 17


def run(draft: Draft) -> None:
    """Give such channels another scale; biases on a scale of 0 become real numbers, which `rounded` rounds again."""
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        arrays = [draft.array(name) for name in node.inputs]
        integers, scale = [*arrays, None, None][:2]
        if node.kind != "DequantizeLinear" or integers is None or scale is None or not (scale == 0).any():
            nodes.append(node)
        elif integers.ndim == 1:
            draft.constants[node.outputs[0]] = np.asarray(call(node, arrays))
        else:
            zero = arrays[2] if len(arrays) > 2 else None
            cleared, filled = _filled(integers, scale, zero, int(node.attributes.get("axis", 1)))
            node.inputs = [draft.constant(cleared), draft.constant(filled), *node.inputs[2:]]
            nodes.append(node)
    draft.nodes = nodes


def _filled(integers: Array, scale: Array, zero: Array | None, axis: int) -> tuple[Array, Array]:
    """Return integers at their zero point where the scale is 0, and scales above 0."""
    along = [1] * integers.ndim
    along[axis] = scale.size

    def spread(array: Array) -> Array:
        return array.reshape(along) if array.size > 1 else array.reshape(())

    zeros = spread(np.zeros((), integers.dtype) if zero is None else zero)
    cleared = np.where(spread(scale == 0), zeros, integers).astype(integers.dtype)
    positive = scale[scale > 0]
    return cleared, np.where(scale == 0, positive.min() if positive.size else 1, scale).astype(scale.dtype)
