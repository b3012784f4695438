"""Conversion of older opsets: attributes that have become inputs, and Softmax over flattened axes.

The versions are those of the operators' change log in the ONNX standard; the result is opset 18.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.graph.draft import Chain, Draft, DraftNode, Rewritten, rewrite
from edgewright.schema.errors import InputError

ORDER = 10
OLDEST, NEWEST = 7, 24
_REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
               "ReduceLogSumExp", "ReduceSum", "Squeeze", "Unsqueeze")  # fmt: skip
# Attributes of each operator that have become inputs: name, number of the input, type.
_INPUTS: dict[str, tuple[tuple[str, int, Any], ...]] = {
    **dict.fromkeys(_REDUCTIONS, (("axes", 1, np.int64),)),
    "Clip": (("min", 1, np.float32), ("max", 2, np.float32)),
    "Slice": (("starts", 1, np.int64), ("ends", 2, np.int64), ("axes", 3, np.int64)),
    "Pad": (("pads", 1, np.int64), ("value", 2, np.float32)),
}


def run(draft: Draft) -> None:
    """Rewrite every operator to its form in opset 18.

    Raises:
        InputError: for an opset before 7, whose broadcasting was another, or after 24.
    """
    if not draft.opset and all(node.domain for node in draft.nodes):
        # Converters of trees import ai.onnx.ml alone, so there is no operator of ai.onnx whose version matters.
        draft.opset = 18
    if not OLDEST <= draft.opset <= NEWEST:
        raise InputError(
            f"opset {OLDEST} to {NEWEST}", str(draft.opset), f"model {draft.name}", "Export the model with opset 18"
        )
    rules: dict[str, Callable[[Chain, DraftNode], Rewritten]] = dict.fromkeys(_INPUTS, _attributes_to_inputs)
    rules |= {"BatchNormalization": _first_output, "MaxPool": _first_output}
    if draft.opset < 11:
        rules |= {"Upsample": _scales, "Resize": _scales}
    if draft.opset < 13:
        rules |= {"Softmax": _softmax, "LogSoftmax": _softmax}
    rewrite(draft, rules)
    draft.opset = 18


def _attributes_to_inputs(chain: Chain, node: DraftNode) -> list[DraftNode]:
    """Move the attributes that have become inputs to their places."""
    for name, index, dtype in _INPUTS.get(node.op, (("scales", 1, np.float32),)):
        if name in node.attributes:
            value = node.attributes.pop(name)
            node.inputs += [""] * (index + 1 - len(node.inputs))
            node.inputs[index] = chain.draft.constant(np.asarray(value, dtype))
    return [node]


def _scales(chain: Chain, node: DraftNode) -> list[DraftNode]:
    """Upsample, and Resize before there was a choice of coordinates."""
    _attributes_to_inputs(chain, node)
    node.op, node.inputs = "Resize", [node.inputs[0], "", *node.inputs[1:]]
    node.attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}
    return [node]


def _first_output(chain: Chain, node: DraftNode) -> list[DraftNode]:
    """Remove the outputs for training, which old files name although no operator reads them."""
    read = {name for other in chain.draft.nodes for name in other.inputs} | set(chain.draft.outputs)
    if any(name in read for name in node.outputs[1:]):
        raise InputError("one output", f"{len(node.outputs)}", node.where)
    node.outputs = node.outputs[:1]
    for name in ("spatial", "training_mode", "consumed_inputs", "storage_order"):
        node.attributes.pop(name, None)
    return [node]


def _softmax(chain: Chain, node: DraftNode) -> Rewritten:
    """Before opset 13 all axes from `axis` on (1 unless said otherwise) were taken as one."""
    axis = int(node.attributes.get("axis", 1))
    if axis == -1:
        node.attributes["axis"] = -1
        return [node]
    # The rank is not known yet. (rows, everything else) is: Flatten, then the shape of before.
    flat = chain.op("Flatten", node.inputs[0], axis=axis)
    value = chain.op(node.op, flat, axis=-1)
    return chain.op("Reshape", value, chain.op("Shape", node.inputs[0]))
