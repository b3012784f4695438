"""What a classifier answers: ZipMap and labels are taken out, the probabilities and the names of the classes stay.

Text and maps exist neither in .tflite nor in C, and the label is the place of the largest probability.
"""

from __future__ import annotations

from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.normalise._ml import class_names
from edgewright.schema.graph import Array

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
    label_sources = {name: _label_of(name, producers, draft) for name in draft.outputs}
    rest = [name for name, (node, _) in label_sources.items() if node is None]
    votes = [node.inputs[0] for node, _ in label_sources.values() if node is not None]
    if len(rest) == 1:
        draft.names[:0] = [names for _, names in label_sources.values() if names]
    own = votes[:1] == [_source_of(name, producers) for name in rest]
    if len(rest) == 1 and draft.names:
        draft.probabilities = rest[0]
        if votes and not own:
            draft.votes = votes[0]
    if rest and len(rest) < len(draft.outputs) and (own or draft.names):
        draft.keep_outputs(rest)


def _source_of(name: str, producers: dict[str, DraftNode]) -> str:
    """Return the value that another one is under a further name."""
    for _ in range(len(producers)):
        node = producers.get(name)
        if node is None or node.kind not in ("Identity", "Cast"):
            break
        name = node.inputs[0]
    return name


def _label_of(name: str, producers: dict[str, DraftNode], draft: Draft) -> tuple[DraftNode | None, tuple[str, ...]]:
    """Return the ArgMax that a label comes from, None for any other value, and the table of integers it looks up."""
    node, passed, names = producers.get(name), set[str](), tuple[str, ...]()
    while node is not None and node.inputs and node.kind != "ArgMax":
        table = _table(node, draft)
        # Nodes of a damaged file may stand in a ring.
        if (node.kind not in _TO_LABEL and table is None) or node.outputs[0] in passed:
            return None, ()
        passed.add(node.outputs[0])
        names = names if table is None else tuple(str(entry) for entry in table.ravel().tolist())
        node = producers.get(node.inputs[0 if table is None else 1])
    return (None, ()) if node is None else (node, names)


def _table(node: DraftNode, draft: Draft) -> Array | None:
    """Return the constant integers that a Gather looks up by a computed index."""
    table = draft.array(node.inputs[0]) if node.kind == "Gather" and len(node.inputs) == 2 else None
    integers = table is not None and table.dtype.kind in "iu" and draft.array(node.inputs[1]) is None
    return table if integers else None
