"""Removal of operators without effect in inference: Identity and Dropout."""

from __future__ import annotations

from edgewright.graph.draft import Draft

ORDER = 20
_NOTHING = frozenset({"Identity", "Dropout"})


def run(draft: Draft) -> None:
    """Replace the output of such a node by its input."""
    kept = []
    for node in draft.nodes:
        if node.kind not in _NOTHING or not node.inputs:
            kept.append(node)
        elif node.inputs[0] == draft.source.name and node.outputs[0] in draft.outputs:
            # The output must have a name of its own.
            node.op, node.attributes, node.outputs = "Identity", {}, node.outputs[:1]
            kept.append(node)
        else:
            draft.rename(node.outputs[0], node.inputs[0])
    draft.nodes = kept
