"""One operator for every change of shape: Flatten, Squeeze and Unsqueeze become Reshape; chains become one."""

from __future__ import annotations

from edgewright.graph.normalise._draft import Draft, DraftNode
from edgewright.graph.normalise._values import everything
from edgewright.graph.normalise.constants import target

ORDER = 55
_SHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def run(draft: Draft) -> None:
    """Rewrite them to Reshape with a constant target, and drop those that keep the shape."""
    values = everything(draft)
    shaped: dict[str, DraftNode] = {}
    kept = []
    for node in draft.nodes:
        if node.op in _SHAPING:
            name, source = node.outputs[0], node.inputs[0]
            to = target(values, name, node, draft.fixed_batch)
            while source in shaped:
                source = shaped[source].inputs[0]
            same = all(one[name].shape == one[source].shape for one in values)
            if same and not (source == draft.source.name and name in draft.outputs):
                draft.rename(name, source)
                continue
            node.op, node.attributes = "Reshape", {}
            node.inputs = [source, draft.integers(to)]
            shaped[name] = node
        kept.append(node)
    draft.nodes = kept
