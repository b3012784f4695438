"""What a classifier answers: ZipMap and labels are taken out, the probabilities and the names of the classes stay.

Text and maps exist neither in .tflite nor in C, and the label is the place of the largest probability.
"""

from __future__ import annotations

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._ml import class_names

ORDER = 35
# Operators between the place of the largest score and the label.
_TO_LABEL = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "ai.onnx.ml.LabelEncoder"})


def run(draft: Draft) -> None:
    """Find labels and probabilities among the outputs and leave the probabilities."""
    for node in draft.nodes:
        if node.kind == "ai.onnx.ml.ZipMap":
            draft.names.insert(0, class_names(node))
            node.op, node.domain, node.attributes = "Identity", "", {}
        elif node.kind == "ai.onnx.ml.LabelEncoder":
            names = node.attributes.get("values_strings") or node.attributes.get("values_int64s") or ()
            draft.names.append(tuple(str(name) for name in names))
    producers = draft.producers()
    chosen = {name: _places_of(name, producers) for name in draft.outputs}
    rest = [name for name, node in chosen.items() if node is None]
    if len(rest) == 1 and draft.names:
        draft.probabilities = rest[0]
        labels = [node.inputs[0] for node in chosen.values() if node is not None]
        if labels and labels[0] != _source_of(rest[0], producers):
            draft.votes = labels[0]
    if rest and len(rest) < len(draft.outputs):
        draft.outputs = rest


def _source_of(name: str, producers: dict[str, DraftNode]) -> str:
    """Return the value that another one is under a further name."""
    for _ in range(len(producers)):
        node = producers.get(name)
        if node is None or node.kind not in ("Identity", "Cast"):
            break
        name = node.inputs[0]
    return name


def _places_of(name: str, producers: dict[str, DraftNode]) -> DraftNode | None:
    """Return the ArgMax that a label comes from; None for a value that is no label."""
    node, passed = producers.get(name), set[str]()
    while node is not None and node.kind in _TO_LABEL and node.inputs:
        # Nodes of a damaged file may stand in a ring.
        if node.outputs[0] in passed:
            return None
        passed.add(node.outputs[0])
        node = producers.get(node.inputs[0])
    return node if node is not None and node.kind == "ArgMax" else None
