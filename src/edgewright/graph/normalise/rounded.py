"""Quantised models of other writers in the form ours have: one operator between two roundings, its bias in int32.

Nothing here changes what a model answers by more than a step of the value that is rounded.
"""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import call, everything
from edgewright.schema.graph import Array

ORDER = 51
_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
_WEIGHTED = ("Conv", "Gemm", "MatMul", "LSTM", "GRU")
# As of compression/weights.py: beyond it the sum of products has no room in 32 bits.
_BIAS_LIMIT = 2.0**30
# The grid that softmax has as integers (docs/adr/0010), signed.
_OF_SOFTMAX = ((np.float32(1 / 256).tobytes(), np.int8(-128).tobytes()),)
Readers = dict[str, list[DraftNode]]


def run(draft: Draft) -> None:
    """Rewrite the operators between QuantizeLinear and DequantizeLinear."""
    if not any(node.kind == "QuantizeLinear" for node in draft.nodes):
        return
    _fold_parameters(draft)
    _merge_roundings(draft)
    _round_first(draft)
    ranks = {name: array.ndim for name, array in everything(draft)[0].items()}
    producers, nodes = draft.producers(), list[DraftNode]()
    for node in draft.nodes:
        stored = _weights(draft, node, producers) is not None
        if node.kind == "MatMul" and stored and ranks[node.inputs[0]] == 2:
            node.op = "Gemm"
        if node.kind in ("Conv", "Gemm"):
            nodes += _bias(draft, node, producers)
        nodes.append(node)
    draft.nodes = nodes


def _weights(draft: Draft, node: DraftNode, producers: dict[str, DraftNode]) -> Array | None:
    """Return the bytes of weights of two axes or more that are stored as bytes."""
    before = producers.get(node.inputs[1]) if len(node.inputs) > 1 else None
    array = draft.array(before.inputs[0]) if before is not None and before.kind == "DequantizeLinear" else None
    return array if array is not None and array.ndim > 1 else None


def _fold_parameters(draft: Draft) -> None:
    """Constants stored as bytes that are no weights become real numbers, as a norm or a factor takes them."""
    readers = draft.readers()
    for node in draft.nodes:
        name = node.outputs[0]
        if node.kind != "DequantizeLinear" or not all(n in draft.constants for n in node.inputs if n):
            continue
        if not any(r.kind in _WEIGHTED and name in r.inputs[1:] for r in readers.get(name, [])):
            inputs = [draft.constants[n] if n else None for n in node.inputs]
            draft.constants[name] = np.asarray(call(node, inputs))
    draft.nodes = [node for node in draft.nodes if node.outputs[0] not in draft.constants]


def _merge_roundings(draft: Draft) -> None:
    """Remove a second rounding onto the same grid, and the rounding of probabilities."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        if node.kind not in ("Pad", "Transpose", "Softmax") or node.outputs[0] in draft.outputs:
            continue
        after = readers.get(node.outputs[0], [])
        if len(after) != 1 or after[0].kind != "QuantizeLinear":
            continue
        ends = readers.get(after[0].outputs[0], [])
        if any(end.kind != "DequantizeLinear" or _grid(draft, end) != _grid(draft, after[0]) for end in ends):
            continue
        if not _goes(draft, node, producers.get(node.inputs[0]), after[0]):
            continue
        for end in ends:
            draft.rename(end.outputs[0], node.outputs[0])
    draft.prune()


def _goes(draft: Draft, node: DraftNode, before: DraftNode | None, rounding: DraftNode) -> bool:
    """Whether the rounding after a node says nothing, or stands after a softmax whose integers would be others."""
    if node.kind == "Softmax":
        return _grid(draft, rounding) not in _OF_SOFTMAX
    if before is None or before.kind != "DequantizeLinear" or _grid(draft, before) != _grid(draft, rounding):
        return False
    return node.kind != "Pad" or _pads_with_zero(draft, node)


def _round_first(draft: Draft) -> None:
    """Round the output of an operator before it is reshaped instead of afterwards; the bytes are the same."""
    producers, readers, nodes = draft.producers(), draft.readers(), list[DraftNode]()
    for node in draft.nodes:
        before = producers.get(node.inputs[0]) if node.kind in _RESHAPES else None
        after = readers.get(node.outputs[0], [])
        rounds = len(after) == 1 and after[0].kind == "QuantizeLinear" and node.outputs[0] not in draft.outputs
        done = before is None or before.kind in ("DequantizeLinear", "QuantizeLinear", *_RESHAPES)
        if rounds and not done and not _moves_input(draft, before, producers):
            names = [draft.fresh("bytes"), draft.fresh("real")]
            nodes.append(DraftNode("QuantizeLinear", [node.inputs[0], *after[0].inputs[1:]], names[:1]))
            nodes.append(DraftNode("DequantizeLinear", [names[0], *after[0].inputs[1:]], names[1:]))
            node.inputs[0] = names[1]
        nodes.append(node)
    draft.nodes = nodes


def _moves_input(draft: Draft, node: DraftNode | None, producers: dict[str, DraftNode]) -> bool:
    """Return whether a node and those before it only move the model's input: its rounding comes after all of them."""
    while node is not None and node.kind in ("Transpose", *_RESHAPES):
        if node.inputs[0] == draft.source.name:
            return True
        node = producers.get(node.inputs[0])
    return False


def _pads_with_zero(draft: Draft, node: DraftNode) -> bool:
    value = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else np.zeros(1)
    return node.attributes.get("mode", "constant") == "constant" and value is not None and not value.any()


def _grid(draft: Draft, node: DraftNode) -> tuple[bytes, ...]:
    arrays = [draft.array(name) for name in node.inputs[1:]]
    return tuple(
        repr(name).encode() if a is None else a.tobytes() for name, a in zip(node.inputs[1:], arrays, strict=True)
    )


def _bias(draft: Draft, node: DraftNode, producers: dict[str, DraftNode]) -> list[DraftNode]:
    """Round a float bias onto the grid of the sums, which is far finer than that of the outputs."""
    bias = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    source = producers.get(node.inputs[0])
    if bias is None or bias.dtype != np.float32 or bias.ndim != 1 or _weights(draft, node, producers) is None:
        return []
    if source is None or source.kind != "DequantizeLinear":
        return []
    scales = [draft.array(source.inputs[1]), draft.array(producers[node.inputs[1]].inputs[1])]
    if scales[0] is None or scales[1] is None or scales[0].size != 1:
        return []
    scale = np.asarray(scales[0].reshape(()) * scales[1].reshape(-1), np.float32)
    steps = np.rint(bias.astype(np.float64) / scale)
    if scale.size not in (1, bias.size) or not np.all(np.abs(steps) <= _BIAS_LIMIT):
        return []
    inputs = [draft.constant(steps.astype(np.int32)), draft.constant(scale if scale.size > 1 else scale.reshape(()))]
    name = draft.fresh("bias")
    node.inputs[2] = name
    return [DraftNode("DequantizeLinear", inputs, [name], {"axis": 0} if scale.size > 1 else {})]
