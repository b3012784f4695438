"""Passes over the layout of values: transposes, reshapes, dense layers over the samples of a window."""

from __future__ import annotations

import numpy as np

from edgewright.core.records.network import Array
from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise.folding import target
from edgewright.graph.normalise.operators import Values, everything

# After `rounded`, which takes the roundings between them away, and before `pools`, which takes padding into layers.


def move_input_transpose(draft: Draft) -> None:
    """Swap until the Transpose stands first."""
    for _ in range(len(draft.nodes)):
        pair = _pair(draft)
        if pair is None:
            return
        first, second = pair
        perm = tuple(int(axis) for axis in second.attributes["perm"])
        if first.kind == "Pad":
            widths = draft.constants[first.inputs[1]].reshape(2, -1)
            first.inputs[1] = draft.integers(widths[:, list(perm)].ravel().tolist())
        # The names of what goes in and comes out stay; the value between them is another one.
        source, between, end = first.inputs[0], draft.fresh("turned"), second.outputs[0]
        second.inputs, second.outputs = [source], [between]
        first.inputs[0], first.outputs = between, [end]
        position, other = draft.nodes.index(first), draft.nodes.index(second)
        draft.nodes[position], draft.nodes[other] = second, first


def _pair(draft: Draft) -> tuple[DraftNode, DraftNode] | None:
    """Return what stands before a Transpose and may stand behind it, back to a rounding of the model's input."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        before = producers.get(node.inputs[0]) if node.kind == "Transpose" and "perm" in node.attributes else None
        if before is None or before.outputs[0] in draft.outputs or not _of_input(draft, before, producers):
            continue
        if len(readers.get(before.outputs[0], [])) == 1 and _alike(draft, before, len(node.attributes["perm"])):
            return before, node
    return None


def _of_input(draft: Draft, node: DraftNode | None, producers: dict[str, DraftNode]) -> bool:
    """Return whether nothing but padding and rounding stands between the model's input and a node."""
    for _ in range(len(draft.nodes)):
        if node is None or node.kind not in ("Pad", "QuantizeLinear", "DequantizeLinear"):
            return False
        if node.inputs[0] == draft.source.name:
            return True
        node = producers.get(node.inputs[0])
    return False


def _alike(draft: Draft, node: DraftNode, rank: int) -> bool:
    """Return whether a node treats all axes alike, or names what it does to each."""
    if node.kind == "Pad":
        widths = draft.array(node.inputs[1])
        return widths is not None and widths.size == 2 * rank and len(node.inputs) < 4
    scale = draft.array(node.inputs[1])
    return scale is not None and np.size(scale) == 1


_SHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def merge_reshapes(draft: Draft) -> None:
    """Rewrite them to Reshape with a constant target, and drop those that keep the shape."""
    values, readers = everything(draft), draft.readers()
    shaped: dict[str, DraftNode] = {}
    kept = []
    for node in draft.nodes:
        if (
            node.kind == "Slice"
            and len(node.inputs) == 4
            and _same(node, values)
            and node.outputs[0] not in draft.outputs
        ):
            draft.rename(node.outputs[0], node.inputs[0])
            continue
        between = node.inputs[0] in shaped and all(reader.op in _SHAPING for reader in readers.get(node.outputs[0], []))
        if node.op in _SHAPING or (between and not draft.fixed_batch and _keeps_order(node, values)):
            name, source = node.outputs[0], node.inputs[0]
            to = target(values, name, node, draft.fixed_batch)
            while source in shaped:
                source = shaped[source].inputs[0]
            if all(reader[name].shape == reader[source].shape for reader in values) and not (
                source == draft.source.name and name in draft.outputs
            ):
                draft.rename(name, source)
                continue
            node.op, node.attributes = "Reshape", {}
            node.inputs = [source, draft.integers(to)]
            shaped[name] = node
        kept.append(node)
    draft.nodes = kept


def _same(node: DraftNode, values: list[Values]) -> bool:
    """Return whether a node keeps every entry of its input."""
    return all(value[node.outputs[0]].shape == value[node.inputs[0]].shape for value in values)


def _keeps_order(node: DraftNode, values: list[Values]) -> bool:
    """Return whether a node is a Transpose after which all axes longer than 1 stand as before."""
    if node.kind != "Transpose":
        return False
    shape = values[0][node.inputs[0]].shape
    order = [axis for axis in node.attributes.get("perm", range(len(shape))[::-1]) if shape[axis] != 1]
    return order == sorted(order)


# Operators that do the same to every value, wherever it stands.
_ANYWHERE = frozenset({"Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "Neg", "Abs", "Sqrt", "Exp", "Log", "Cast",
                       "Floor", "Ceil", "Round", "Erf", "Reciprocal"})  # fmt: skip
_BINARY = frozenset({"Add", "Sub", "Mul", "Div"})


def cancel_transposes(draft: Draft) -> None:
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


def convert_pointwise_layers(draft: Draft) -> None:
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
