"""Pools in the one form that every target has: padding as numbers, no `ceil_mode`, and a mean that leaves padding out.

Means and maxima over all positions become global pools, which have an integer form. Where padding counts, it becomes a
Pad with zeros before the pool. A window that `ceil_mode` lets reach beyond the padding is padding that never counts.
"""

from __future__ import annotations

import numpy as np

from edgewright.core.operators._attributes import geometry, same_padding
from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import Values, everything
from edgewright.schema.graph import Node

ORDER = 53
_GLOBAL = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}
_PLACED = frozenset({"Conv", "MaxPool", "AveragePool"})


def run(draft: Draft) -> None:
    """Rewrite reductions over every axis after the channels, padding of pools, and a Pad with zeros before a Conv."""
    values = everything(draft)[0]
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        if node.kind in _PLACED:
            _explicit(node, values)
            if node.kind == "Conv":
                _padded(draft, node)
            else:
                nodes += _pool(draft, node, values[node.inputs[0]].shape[2:])
        nodes += _pooled(draft, node, values) if node.kind in _GLOBAL else [node]
    draft.nodes = nodes


def _pooled(draft: Draft, node: DraftNode, values: Values) -> list[DraftNode]:
    x = values[node.inputs[0]]
    axes = draft.array(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
    if axes is None or x.ndim not in (3, 4) or x.dtype != np.float32:
        return [node]
    if sorted(int(a) % x.ndim for a in axes.ravel()) != list(range(2, x.ndim)):
        return [node]
    keep = node.attributes.get("keepdims", 1)
    pooled = node.outputs[0] if keep else draft.fresh("pool")
    nodes = [DraftNode(_GLOBAL[node.op], [node.inputs[0]], [pooled])]
    if not keep:
        nodes.append(DraftNode("Reshape", [pooled, draft.integers([-1, x.shape[1]])], list(node.outputs)))
    return nodes


def _explicit(node: DraftNode, values: Values) -> None:
    """`auto_pad` as numbers: the formula is that of the ONNX standard."""
    shape, mode = values[node.inputs[0]].shape[2:], node.attributes.pop("auto_pad", "NOTSET")
    kernel = node.attributes.get("kernel_shape") or (values[node.inputs[1]].shape[2:] if node.op == "Conv" else ())
    node.attributes["kernel_shape"] = tuple(int(k) for k in kernel)
    if mode in ("NOTSET", "VALID", ""):
        return
    rank = len(shape)
    strides = node.attributes.get("strides") or (1,) * rank
    dilations = node.attributes.get("dilations") or (1,) * rank
    less, more = zip(*map(same_padding, shape, kernel, strides, dilations), strict=True)
    node.attributes["pads"] = (*more, *less) if mode == "SAME_LOWER" else (*less, *more)


def _pool(draft: Draft, node: DraftNode, shape: tuple[int, ...]) -> list[DraftNode]:
    """Take `ceil_mode` and `count_include_pad` from a pool; give the Pad that stands before it where padding counts.

    Args:
        draft: of the node.
        node: MaxPool or AveragePool.
        shape: shape of the pooled axes.
    """
    kernel = tuple(node.attributes["kernel_shape"])
    plain = Node(op=node.op, inputs=(), outputs=tuple(node.outputs), attributes=dict(node.attributes))
    beyond = geometry(plain, kernel).overhang(shape)
    node.attributes.pop("ceil_mode", None)
    rank = len(kernel)
    pads = tuple(node.attributes.get("pads") or (0,) * (2 * rank))
    nodes: list[DraftNode] = []
    if node.attributes.pop("count_include_pad", 0) and any(pads):
        padded = draft.fresh("padded")
        widths = draft.integers((0, 0, *pads[:rank], 0, 0, *pads[rank:]))
        nodes.append(DraftNode("Pad", [node.inputs[0], widths, draft.floats(0.0)], [padded]))
        node.inputs[0], pads = padded, (0,) * (2 * rank)
    node.attributes["pads"] = (*pads[:rank], *(a + b for a, b in zip(pads[rank:], beyond, strict=True)))
    return nodes


def _padded(draft: Draft, node: DraftNode) -> None:
    """Merge a padding with zeros around height and width into the convolution that is its only reader."""
    before = draft.producers().get(node.inputs[0])
    if before is None or before.kind != "Pad" or before.attributes.get("mode", "constant") != "constant":
        return
    widths, value = draft.array(before.inputs[1]), draft.array((*before.inputs, "", "")[2])
    left_out = len(before.inputs) > 2 and before.inputs[2] != "" and value is None
    if widths is None or left_out or (value is not None and np.any(value)) or len(before.inputs) > 3:
        return
    rank = len(node.attributes["kernel_shape"]) + 2
    if widths.size != 2 * rank or widths[:2].any() or widths[rank : rank + 2].any() or (widths < 0).any():
        return
    own = node.attributes.get("pads") or (0,) * (2 * (rank - 2))
    extra = (*widths[2:rank], *widths[rank + 2 :])
    node.attributes["pads"] = tuple(int(a + b) for a, b in zip(own, extra, strict=True))
    node.inputs[0] = before.inputs[0]
