"""BatchNormalization as it is when a model answers: taken into the Conv or Gemm before it, or a product and a sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.draft import Chain, Draft, DraftNode, rewrite
from edgewright.graph.normalise._values import Values, everything
from edgewright.schema.errors import InputError

ORDER = 58


def run(draft: Draft) -> None:
    """Rewrite every BatchNormalization, in float64."""
    if not any(node.kind == "BatchNormalization" for node in draft.nodes):
        return
    values = everything(draft)[0]
    gone = {id(node) for node in draft.nodes if node.kind == "BatchNormalization" and _fuse(draft, node)}
    draft.nodes = [node for node in draft.nodes if id(node) not in gone]
    rewrite(draft, {"BatchNormalization": lambda chain, node: _broadcast(chain, node, values)})


def _factors(draft: Draft, node: DraftNode) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor and offset of each channel: y = x * factor + offset."""
    arrays = [draft.array(name) for name in node.inputs[1:5]]
    if len(arrays) < 4 or any(array is None for array in arrays):
        raise InputError("constant scale, bias, mean and variance", "computed ones", node.where)
    scale, bias, mean, variance = (np.asarray(array, np.float64).ravel() for array in arrays)
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    if not (variance + epsilon > 0).all():
        raise InputError("variances above zero", f"{variance.min():g}", node.where)
    factor = scale / np.sqrt(variance + epsilon)
    return factor, bias - mean * factor


def _fuse(draft: Draft, node: DraftNode) -> bool:
    before = draft.producers().get(node.inputs[0])
    alone = len(draft.readers().get(node.inputs[0], [])) == 1 and node.inputs[0] not in draft.outputs
    if before is None or before.kind not in ("Conv", "Gemm") or not alone:
        return False
    if before.op == "Gemm" and any(before.attributes.get(k, 1.0) != 1.0 for k in ("alpha", "beta")):
        return False
    weights = draft.array(before.inputs[1])
    has_bias = len(before.inputs) > 2 and before.inputs[2] != ""
    bias = draft.array(before.inputs[2]) if has_bias else None
    if weights is None or (has_bias and bias is None):
        return False
    factor, offset = _factors(draft, node)
    rows = before.op == "Gemm" and not before.attributes.get("transB", 0)
    if weights.shape[1 if rows else 0] != factor.size:
        raise InputError(f"{factor.size} channels", str(weights.shape), node.where)
    wide = factor.reshape(1, -1) if rows else factor.reshape(-1, *(1,) * (weights.ndim - 1))
    old = np.zeros(1) if bias is None else bias.astype(np.float64)
    before.inputs = [
        before.inputs[0],
        draft.constant((weights.astype(np.float64) * wide).astype(weights.dtype)),
        draft.constant((old * factor + offset).reshape(-1).astype(weights.dtype)),
    ]
    before.outputs = list(node.outputs)
    return True


def _broadcast(chain: Chain, node: DraftNode, values: Values) -> str:
    factor, offset = _factors(chain.draft, node)
    shape = (-1, *(1,) * (values[node.inputs[0]].ndim - 2))
    value = chain.op("Mul", node.inputs[0], factor.astype(np.float32).reshape(shape))
    return chain.op("Add", value, offset.astype(np.float32).reshape(shape))
