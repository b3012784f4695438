"""What older opsets wrote in another way: attributes that have become inputs, and Softmax over flattened axes.

The versions are those of the operators' change log in the ONNX standard; the result is opset 18.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.graph.normalise._draft import Chain, Draft, DraftNode, rewrite
from edgewright.schema.errors import InputError

ORDER = 10
OLDEST, NEWEST = 7, 24
_REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
               "ReduceLogSumExp", "ReduceSum", "Squeeze", "Unsqueeze")  # fmt: skip


def run(draft: Draft) -> None:
    """Rewrite every operator to its form in opset 18.

    Raises:
        InputError: for an opset before 7, whose broadcasting was another, or after 24.
    """
    if not draft.opset and all(node.domain for node in draft.nodes):
        # Converters of trees import ai.onnx.ml alone: there is no operator whose version the number would tell.
        draft.opset = 18
    if not OLDEST <= draft.opset <= NEWEST:
        raise InputError(
            f"opset {OLDEST} to {NEWEST}", str(draft.opset), f"model {draft.name}", "Export the model with opset 18"
        )
    rules: dict[str, Callable[[Draft, DraftNode], list[DraftNode]]] = dict.fromkeys(_REDUCTIONS, _axes)
    rules |= {
        "Clip": _clip,
        "Slice": _slice,
        "Pad": _pad,
        "BatchNormalization": _first_output,
        "MaxPool": _first_output,
    }
    if draft.opset < 11:
        rules |= {"Upsample": _scales, "Resize": _scales}
    if draft.opset < 13:
        rules |= {"Softmax": _softmax, "LogSoftmax": _softmax}
    rewrite(draft, rules)
    draft.opset = 18


def _attribute_to_input(draft: Draft, node: DraftNode, name: str, place: int, dtype: Any = np.int64) -> None:  # noqa: ANN401
    """Move an attribute to the input number `place`."""
    if name not in node.attributes:
        return
    value = node.attributes.pop(name)
    node.inputs += [""] * (place + 1 - len(node.inputs))
    node.inputs[place] = draft.constant(np.asarray(value, dtype))


def _axes(draft: Draft, node: DraftNode) -> list[DraftNode]:
    _attribute_to_input(draft, node, "axes", 1)
    return [node]


def _clip(draft: Draft, node: DraftNode) -> list[DraftNode]:
    _attribute_to_input(draft, node, "min", 1, np.float32)
    _attribute_to_input(draft, node, "max", 2, np.float32)
    return [node]


def _slice(draft: Draft, node: DraftNode) -> list[DraftNode]:
    for place, name in enumerate(("starts", "ends", "axes"), 1):
        _attribute_to_input(draft, node, name, place)
    return [node]


def _pad(draft: Draft, node: DraftNode) -> list[DraftNode]:
    _attribute_to_input(draft, node, "pads", 1)
    _attribute_to_input(draft, node, "value", 2, np.float32)
    return [node]


def _scales(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Upsample, and Resize before there was a choice of coordinates."""
    _attribute_to_input(draft, node, "scales", 1, np.float32)
    node.op, node.inputs = "Resize", [node.inputs[0], "", *node.inputs[1:]]
    node.attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}
    return [node]


def _first_output(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Training's further outputs are there by name in old files; nobody reads them."""
    read = {name for other in draft.nodes for name in other.inputs} | set(draft.outputs)
    if any(name in read for name in node.outputs[1:]):
        raise InputError("one output", f"{len(node.outputs)}", node.where)
    node.outputs = node.outputs[:1]
    for name in ("spatial", "training_mode", "consumed_inputs", "storage_order"):
        node.attributes.pop(name, None)
    return [node]


def _softmax(draft: Draft, node: DraftNode) -> list[DraftNode]:
    """Before opset 13 all axes from `axis` on (1 unless said otherwise) were taken as one."""
    axis = int(node.attributes.get("axis", 1))
    if axis == -1:
        node.attributes["axis"] = -1
        return [node]
    # The rank is not known yet. (rows, everything else) is: Flatten, then the shape of before.
    chain = Chain(draft)
    flat = chain.op("Flatten", node.inputs[0], axis=axis)
    value = chain.op(node.op, flat, axis=-1)
    chain.op("Reshape", value, chain.op("Shape", node.inputs[0]), output=node.outputs[0])
    return chain.nodes
