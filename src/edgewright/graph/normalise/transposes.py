"""Transposes that channels-last frameworks leave behind: pairs cancel, and one before flattening goes into the weights.

A Transpose is moved down past operators that treat every value alike until it meets its inverse.
"""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import everything

ORDER = 70
# Operators that do the same to every value, wherever it stands.
_ANYWHERE = frozenset({"Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "Neg", "Abs", "Sqrt", "Exp", "Log", "Cast",
                       "Floor", "Ceil", "Round", "Erf", "Reciprocal"})  # fmt: skip
_BINARY = frozenset({"Add", "Sub", "Mul", "Div"})


def run(draft: Draft) -> None:
    """Move, cancels and absorbs until nothing changes."""
    for _ in range(4 * len(draft.nodes) + 1):
        if not (_cancel(draft) or _absorb(draft) or _reduce(draft) or _pad(draft) or _move(draft)):
            return
        draft.prune()


def _perm(node: DraftNode | None) -> tuple[int, ...]:
    """Return the order of a Transpose that says it, else nothing."""
    return tuple(node.attributes.get("perm", ())) if node is not None and node.kind == "Transpose" else ()


def _cancel(draft: Draft) -> bool:
    producers = draft.producers()
    for node in draft.nodes:
        second = _perm(node)
        first = _perm(producers.get(node.inputs[0])) if second else ()
        if not second:
            continue
        if first and len(first) == len(second):
            node.attributes["perm"] = tuple(first[i] for i in second)
            node.inputs[0] = producers[node.inputs[0]].inputs[0]
            return True
        if second == tuple(range(len(second))) and node.inputs[0] != draft.source.name:
            draft.rename(node.outputs[0], node.inputs[0])
            draft.nodes.remove(node)
            return True
    return False


def _move(draft: Draft) -> bool:
    """One step down for one Transpose, past a node that alone reads it; towards another Transpose only."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        order = _perm(node)
        after = readers.get(node.outputs[0], [])
        if not order or len(after) != 1 or node.outputs[0] in draft.outputs or not _leads_on(draft, after[0]):
            continue
        reader = after[0]
        others = [name for name in reader.inputs if name != node.outputs[0]]
        if reader.op in _BINARY:
            arrays = [draft.array(name) for name in others]
            twins = [producers.get(name) for name in others]
            if len(others) == 1 and arrays[0] is not None and arrays[0].ndim <= len(order):
                wide = arrays[0].reshape((1,) * (len(order) - arrays[0].ndim) + arrays[0].shape)
                moved = draft.constant(np.ascontiguousarray(wide.transpose(np.argsort(order))))
            elif len(others) == 1 and twins[0] is not None and _perm(twins[0]) == order:
                moved = twins[0].inputs[0]
            else:
                continue
            reader.inputs = [node.inputs[0] if name == node.outputs[0] else moved for name in reader.inputs]
        else:
            reader.inputs[0] = node.inputs[0]
        inner = draft.fresh("turned")
        turned = DraftNode("Transpose", [inner], list(reader.outputs), {"perm": order})
        reader.outputs = [inner]
        draft.nodes.insert(draft.nodes.index(reader) + 1, turned)
        draft.nodes.remove(node) if reader.op not in _BINARY else None
        return True
    return False


def _leads_on(draft: Draft, node: DraftNode) -> bool:
    """Return whether a Transpose moved past this node gets nearer to another one, or to a Reshape into rows."""
    readers = draft.readers()
    for _ in range(len(draft.nodes)):
        if node.op not in _ANYWHERE and node.op not in _BINARY:
            return False
        after = readers.get(node.outputs[0], [])
        if any(other.kind in ("Transpose", "Reshape") for other in after):
            return True
        if len(after) != 1:
            return False
        node = after[0]
    return False


def _absorb(draft: Draft) -> bool:
    """Transpose, Reshape to rows, Gemm: the weights take the order."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        if node.kind != "Gemm" or node.attributes:
            continue
        flat = producers.get(node.inputs[0])
        turn = producers.get(flat.inputs[0]) if flat is not None and flat.kind == "Reshape" else None
        order, weights = _perm(turn), draft.array(node.inputs[1])
        if flat is None or turn is None or not order or order[0] != 0 or weights is None:
            continue
        if len(readers[flat.outputs[0]]) > 1 or {flat.outputs[0]} & set(draft.outputs):
            continue
        shape = everything(draft)[0][turn.inputs[0]].shape[1:]
        to = draft.array(flat.inputs[1])
        if to is None or to.size != 2 or int(np.prod(shape)) != weights.shape[0]:
            continue
        # Row i of the weights belongs to the value that stood at places[i] before the Transpose.
        places = np.arange(weights.shape[0]).reshape(shape).transpose([axis - 1 for axis in order[1:]]).ravel()
        own = np.empty_like(weights)
        own[places] = weights
        node.inputs[1] = draft.constant(own)
        flat.inputs[0] = turn.inputs[0]
        return True
    return False


def _reduce(draft: Draft) -> bool:
    """Return a reduction after a Transpose works on the axes as they were before."""
    producers = draft.producers()
    for node in draft.nodes:
        turn = producers.get(node.inputs[0]) if node.op.startswith("Reduce") and len(node.inputs) == 2 else None
        order, axes = _perm(turn), draft.array(node.inputs[1]) if len(node.inputs) == 2 else None
        if turn is None or not order or axes is None or node.attributes.get("keepdims", 1):
            continue
        gone = {int(axis) % len(order) for axis in axes.ravel()}
        left = [axis for index, axis in enumerate(order) if index not in gone]
        if left != sorted(left):
            continue
        node.inputs = [turn.inputs[0], draft.integers(sorted(order[index] for index in gone))]
        return True
    return False


def _pad(draft: Draft) -> bool:
    """Pad, then Transpose: the other way round, so that a convolution can take the padding in."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        order = _perm(node)
        pad = producers.get(node.inputs[0]) if order else None
        if pad is None or pad.kind != "Pad" or len(pad.inputs) > 3 or len(readers[pad.outputs[0]]) != 1:
            continue
        widths = draft.array(pad.inputs[1])
        if widths is None or widths.size != 2 * len(order) or pad.outputs[0] in draft.outputs:
            continue
        turned, both = draft.fresh("turned"), widths.reshape(2, -1)[:, list(order)]
        position = draft.nodes.index(pad)
        draft.nodes.remove(node)
        draft.nodes.insert(position, DraftNode("Transpose", [pad.inputs[0]], [turned], {"perm": order}))
        pad.inputs = [turned, draft.integers(int(n) for n in both.ravel()), *pad.inputs[2:]]
        pad.outputs = list(node.outputs)
        return True
    return False
