"""One operator for every change of shape: Flatten, Squeeze and Unsqueeze become Reshape; chains become one.

A Transpose between two of them that only moves axes of length 1 is one of the chain: exporters drop the axis of
directions of an LSTM or a GRU that way.
"""

from __future__ import annotations

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._values import Values, everything
from edgewright.graph.normalise.constants import target

ORDER = 55
_SHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def run(draft: Draft) -> None:
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
