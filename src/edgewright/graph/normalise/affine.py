"""A product or a sum with one number a channel goes into the weights beside it, in float64.

After a Conv or Gemm always; before a Gemm only inside a network: what comes before the first weights is preprocessing,
and `(x - min) * scale` loses digits as `x * scale + offset`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import Values, everything

ORDER = 62
_WEIGHTED = frozenset({"Conv", "Gemm"})
_AFFINE = frozenset({"Add", "Sub", "Mul", "Div"})
Factors = tuple[NDArray[np.float64], NDArray[np.float64]]


def run(draft: Draft) -> None:
    """Take such operators in, one after the other."""
    values = everything(draft)[0]
    for _ in range(len(draft.nodes)):
        if not (_after(draft, values) or _before(draft, values)):
            return


def _factors(draft: Draft, node: DraftNode, value: str, shape: tuple[int, ...], axis: int) -> Factors | None:
    """Y = x * factor + offset for each channel, where `node` says that of `value`."""
    others = [name for name in node.inputs if name != value]
    array = draft.array(others[0]) if len(others) == 1 and len(node.inputs) == 2 else None
    if array is None or array.dtype != np.float32 or array.ndim > len(shape):
        return None
    wide = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if any(length != 1 for dimension, length in enumerate(wide.shape) if dimension != axis):
        return None
    numbers = np.broadcast_to(wide.ravel().astype(np.float64), (shape[axis],))
    scale, zero = np.ones_like(numbers), np.zeros_like(numbers)
    first = node.inputs[0] == value
    if node.op == "Add":
        return scale, numbers
    if node.op == "Sub":
        return (scale, -numbers) if first else (-scale, numbers)
    if node.op == "Mul":
        return numbers, zero
    return (1.0 / numbers, zero) if first and bool((numbers != 0).all()) else None


def _weights(draft: Draft, node: DraftNode) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Constant weights and bias of a node in plain form."""
    array = draft.array(node.inputs[1])
    bias = draft.array(node.inputs[2]) if len(node.inputs) > 2 else None
    if array is None or array.dtype != np.float32 or (bias is None and len(node.inputs) > 2):
        return None
    if node.op == "Gemm" and node.attributes:
        return None
    width = array.shape[0 if node.op == "Conv" else 1]
    if bias is not None and bias.size not in (1, width):
        return None
    old = np.zeros(width) if bias is None else np.broadcast_to(bias.astype(np.float64).ravel(), (width,))
    return array.astype(np.float64), old


def _set(draft: Draft, node: DraftNode, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
    name = draft.constant(np.ascontiguousarray(weights, np.float32))
    node.inputs = [node.inputs[0], name, draft.constant(bias.astype(np.float32))]


def _after(draft: Draft, values: Values) -> bool:
    readers = draft.readers()
    for node in draft.nodes:
        value = node.outputs[0]
        after = readers.get(value, [])
        if node.kind not in _WEIGHTED or len(after) != 1 or after[0].kind not in _AFFINE or value in draft.outputs:
            continue
        shape, weights = values[value].shape, _weights(draft, node)
        factors = _factors(draft, after[0], value, shape, 1) if weights is not None else None
        if weights is None or factors is None or values[after[0].outputs[0]].shape != shape:
            continue
        factor, offset = factors
        wide = factor.reshape(1, -1) if node.op == "Gemm" else factor.reshape(-1, *(1,) * (weights[0].ndim - 1))
        _set(draft, node, weights[0] * wide, weights[1] * factor + offset)
        node.outputs = list(after[0].outputs)
        draft.nodes = [other for other in draft.nodes if other is not after[0]]
        return True
    return False


def _before(draft: Draft, values: Values) -> bool:
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        before = producers.get(node.inputs[0]) if node.kind == "Gemm" else None
        if before is None or before.kind not in _AFFINE or len(readers[before.outputs[0]]) != 1:
            continue
        if before.outputs[0] in draft.outputs:
            continue
        sources = [name for name in before.inputs if name not in draft.constants]
        if len(sources) != 1 or not _inside(draft, producers, sources[0]):
            continue
        shape, weights = values[sources[0]].shape, _weights(draft, node)
        factors = _factors(draft, before, sources[0], shape, 1) if weights is not None and len(shape) == 2 else None
        if weights is None or factors is None or values[before.outputs[0]].shape != shape:
            continue
        factor, offset = factors
        _set(draft, node, weights[0] * factor.reshape(-1, 1), weights[1] + offset @ weights[0])
        node.inputs[0] = sources[0]
        draft.nodes = [other for other in draft.nodes if other is not before]
        return True
    return False


def _inside(draft: Draft, producers: dict[str, DraftNode], value: str) -> bool:
    """Return whether weights were applied before this value."""
    seen, waiting = set[str](), [value]
    while waiting:
        node = producers.get(waiting.pop())
        if node is None or node.outputs[0] in seen:
            continue
        if node.kind in _WEIGHTED:
            return True
        seen.add(node.outputs[0])
        waiting += node.inputs
    return False
