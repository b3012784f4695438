"""Removal of a Cast to the type that a value already has."""

from __future__ import annotations

from edgewright.graph.draft import Draft
from edgewright.graph.normalise._values import everything

ORDER = 52


def run(draft: Draft) -> None:
    """Replace the output of such a Cast by its input."""
    values = everything(draft)[0]
    kept = []
    for node in draft.nodes:
        name = node.outputs[0]
        same = node.kind == "Cast" and values[name].dtype == values[node.inputs[0]].dtype
        if same and not (node.inputs[0] == draft.source.name and name in draft.outputs):
            values[node.inputs[0]] = values[name]
            draft.rename(name, node.inputs[0])
        else:
            kept.append(node)
    draft.nodes = kept
