"""A dense layer over every sample of a window, channels last, as a convolution that covers one sample, channels first.

Behind layers with a state exporters write it in two ways: a product with a matrix, or rows of all windows and samples,
a Gemm, and windows again.
"""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import Values, everything
from edgewright.schema.graph import Array

ORDER = 61


def run(draft: Draft) -> None:
    """Rewrite each one that stands behind a Transpose, which moves behind it."""
    for _ in range(len(draft.nodes)):
        producers, values = draft.producers(), everything(draft)[0]
        if not any(_rewritten(draft, node, producers, values) for node in list(draft.nodes)):
            return
        draft.prune()


def _rewritten(draft: Draft, node: DraftNode, producers: dict[str, DraftNode], values: Values) -> bool:
    """Return whether the node was such a layer."""
    ends = _product(draft, node) if node.kind == "MatMul" else _rows(draft, node, producers)
    turn = producers.get(ends[0]) if ends else None
    weights = draft.array(node.inputs[1]) if len(node.inputs) > 1 else None
    if ends is None or turn is None or turn.kind != "Transpose" or weights is None or weights.ndim != 2:
        return False
    order = tuple(turn.attributes.get("perm", ()))
    source, given = values[turn.outputs[0]], values[ends[2]]
    if len(order) != 3 or order[2] != 1 or given.shape != (*source.shape[:2], weights.shape[1]):
        return False
    kernel = draft.constant(np.ascontiguousarray(weights.T)[:, :, None])
    bias = [] if ends[1] is None else [draft.constant(ends[1])]
    inner = draft.fresh("point")
    settings = {"kernel_shape": (1,), "strides": (1,), "dilations": (1,), "pads": (0, 0), "group": 1}
    conv = DraftNode("Conv", [turn.inputs[0], kernel, *bias], [inner], settings)
    last = next(index for index, other in enumerate(draft.nodes) if ends[2] in other.outputs)
    draft.nodes[last : last + 1] = [conv, DraftNode("Transpose", [inner], [ends[2]], {"perm": order})]
    return True


# What a layer reads, its bias, and what it gives.
Ends = tuple[str, Array | None, str]


def _product(draft: Draft, node: DraftNode) -> Ends:
    """Return the ends of a product, and of the constant that its only reader adds."""
    weights, after = draft.array(node.inputs[1]), draft.readers().get(node.outputs[0], [])
    if weights is None or len(after) != 1 or after[0].kind != "Add" or node.outputs[0] in draft.outputs:
        return node.inputs[0], None, node.outputs[0]
    (bias,) = [draft.array(name) for name in after[0].inputs if name != node.outputs[0]] or [None]
    if bias is None or bias.shape[-1:] != (bias.size,) or bias.size != weights.shape[-1]:
        return node.inputs[0], None, node.outputs[0]
    return node.inputs[0], bias.reshape(-1), after[0].outputs[0]


def _rows(draft: Draft, node: DraftNode, producers: dict[str, DraftNode]) -> Ends | None:
    """Return the ends of a Gemm between two changes of shape."""
    if node.kind != "Gemm" or node.attributes or node.outputs[0] in draft.outputs:
        return None
    before, after = producers.get(node.inputs[0]), draft.readers().get(node.outputs[0], [])
    if before is None or before.kind != "Reshape" or len(after) != 1 or after[0].kind != "Reshape":
        return None
    bias = draft.array(node.inputs[2]) if len(node.inputs) > 2 else None
    if len(node.inputs) > 2 and bias is None:
        return None
    return before.inputs[0], bias, after[0].outputs[0]
