"""Dynamic quantisation of ONNX Runtime, which rounds what a layer receives for each call: read with real numbers.

The weights are those that their integers stand for; what the layer receives is not rounded, as in .tflite files with
int8 weights among float values (docs/adr/0014).
"""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

ORDER = 14
_LAYERS = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}


def run(draft: Draft) -> None:
    """Rewrite DynamicQuantizeLinear and the layers on its values.

    Raises:
        InputError: for weights that are computed, or values that come from elsewhere.
    """
    rounded: set[str] = set()
    for node in draft.nodes:
        if node.kind == "DynamicQuantizeLinear":
            for name, number in zip(node.outputs[1:], (np.float32(1), np.uint8(0)), strict=False):
                draft.constants[name] = np.asarray(number)
            rounded.add(node.outputs[0])
            node.op, node.outputs = "Identity", node.outputs[:1]
        elif node.kind in _LAYERS:
            if node.inputs[0] not in rounded:
                raise InputError("values of DynamicQuantizeLinear", repr(node.inputs[0]), node.where)
            weights = draft.constant(_weights(draft, node))
            node.origin, node.op, node.inputs = node.op, _LAYERS[node.op], [node.inputs[0], weights]


def _weights(draft: Draft, node: DraftNode) -> Array:
    integers = draft.array(node.inputs[1])
    zero = draft.array(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] else np.zeros(())
    if integers is None or zero is None:
        raise InputError("constant weights", "computed ones", node.where)
    if node.op == "ConvInteger" and zero.ndim == 1:
        zero = zero.reshape(-1, *(1,) * (integers.ndim - 1))
    return integers.astype(np.float32) - zero.astype(np.float32)
