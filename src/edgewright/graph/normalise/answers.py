"""What a classifier answers: ZipMap and labels are taken out, the probabilities and the names of the classes stay.

Text and maps exist neither in .tflite nor in C, and the label is the place of the largest probability.
"""

from __future__ import annotations

from edgewright.graph.normalise._draft import Draft, DraftNode
from edgewright.graph.normalise._ml import class_names

ORDER = 35
# Operators between the place of the largest score and the label.
_TO_LABEL = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "ai.onnx.ml.LabelEncoder"})


def run(draft: Draft) -> None:
    """Finds labels and probabilities among the outputs and leaves the probabilities."""
    for node in draft.nodes:
        if node.kind == "ai.onnx.ml.ZipMap":
            draft.names.insert(0, class_names(node))
            node.op, node.domain, node.attributes = "Identity", "", {}
        elif node.kind == "ai.onnx.ml.LabelEncoder":
            names = node.attributes.get("values_strings") or node.attributes.get("values_int64s") or ()
            draft.names.append(tuple(str(name) for name in names))
    producers = draft.producers()
    rest = [name for name in draft.outputs if not _is_label(name, producers)]
    if rest and len(rest) < len(draft.outputs):
        draft.outputs = rest
    if len(rest) == 1 and draft.names:
        draft.probabilities = rest[0]


def _is_label(name: str, producers: dict[str, DraftNode]) -> bool:
    node, passed = producers.get(name), set[str]()
    while node is not None and node.kind in _TO_LABEL and node.inputs:
        # Nodes of a damaged file may stand in a ring.
        if node.outputs[0] in passed:
            return False
        passed.add(node.outputs[0])
        node = producers.get(node.inputs[0])
    return node is not None and node.kind == "ArgMax"
