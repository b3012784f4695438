"""Standard form of a dense layer: Gemm without factors, weights (inputs, outputs), and a bias with one axis."""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import Values, everything
from edgewright.schema.graph import Array

ORDER = 60


def run(draft: Draft) -> None:
    """Multiply the factors of Gemm into its constants; a MatMul with a constant and a following sum become a Gemm."""
    values = everything(draft)[0]
    readers = draft.readers()
    gone: set[int] = set()
    for node in draft.nodes:
        if node.kind == "Gemm":
            _plain(draft, node)
        weights = draft.array(node.inputs[1]) if node.kind == "MatMul" else None
        if weights is not None and weights.ndim == 2 and values[node.inputs[0]].ndim == 2:
            node.op = "Gemm"
        if node.kind == "Gemm" and len(node.inputs) == 2:
            after = readers.get(node.outputs[0], [])
            bias = _bias(draft, node, after, values)
            if bias is not None and node.outputs[0] not in draft.outputs:
                node.inputs.append(draft.constant(bias))
                node.outputs = list(after[0].outputs)
                gone.add(id(after[0]))
    draft.nodes = [node for node in draft.nodes if id(node) not in gone]


def _plain(draft: Draft, node: DraftNode) -> None:
    weights = draft.array(node.inputs[1])
    bias = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    if weights is None or node.attributes.get("transA", 0) or (bias is None and len(node.inputs) > 2):
        return
    alpha, beta = float(node.attributes.get("alpha", 1.0)), float(node.attributes.get("beta", 1.0))
    turned = weights.T if node.attributes.get("transB", 0) else weights
    scaled = turned if alpha == 1.0 else turned * weights.dtype.type(alpha)
    inputs = [node.inputs[0], draft.constant(np.ascontiguousarray(scaled))]
    if bias is not None:
        if bias.ndim == 2 and bias.shape[0] > 1:
            return
        row = np.broadcast_to(bias.reshape(-1) * bias.dtype.type(beta), (scaled.shape[1],))
        inputs.append(draft.constant(np.ascontiguousarray(row)))
    node.inputs, node.attributes = inputs, {}


def _bias(draft: Draft, node: DraftNode, after: list[DraftNode], values: Values) -> Array | None:
    """Return the constant that the only reader adds, one number for each output."""
    if len(after) != 1 or after[0].kind != "Add":
        return None
    other = [name for name in after[0].inputs if name != node.outputs[0]]
    bias = draft.array(other[0]) if len(other) == 1 else None
    width = values[node.outputs[0]].shape[-1]
    if bias is None or bias.size not in (1, width) or (bias.ndim > 1 and bias.shape[-1] not in (1, width)):
        return None
    if bias.ndim > 2 or bias.dtype != np.float32:
        return None
    return np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), (width,)))
