"""What the classifiers of ai.onnx.ml have in common: names of classes, and the last step of the scores."""

from __future__ import annotations

from edgewright.graph.draft import Chain, DraftNode
from edgewright.schema.errors import InputError


def class_names(node: DraftNode) -> tuple[str, ...]:
    """Return names of the classes, from whichever attribute has them; integers as text."""
    for key in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
        names = node.attributes.get(key)
        if names:
            return tuple(str(name) for name in names)
    raise InputError("names or numbers of the classes", "none", node.where)


def post_transform(chain: Chain, value: str, node: DraftNode) -> str:
    """Apply `post_transform`.

    Raises:
        InputError: for PROBIT and SOFTMAX_ZERO.
    """
    kind = node.attributes.get("post_transform", "NONE")
    if kind == "NONE":
        return value
    if kind == "LOGISTIC":
        return chain.op("Sigmoid", value)
    if kind == "SOFTMAX":
        return chain.op("Softmax", value, axis=-1)
    raise InputError("post_transform NONE, LOGISTIC or SOFTMAX", repr(kind), node.where)


def says_classes(chain: Chain, value: str, node: DraftNode, names: tuple[str, ...]) -> list[DraftNode]:
    """End a classifier: its label (output 0) becomes the place of the largest score, its scores output 1."""
    draft = chain.draft
    draft.names.append(names)
    scores = node.outputs[1] if len(node.outputs) > 1 and node.outputs[1] else draft.fresh("scores")
    nodes = chain.end(value, scores)
    if node.outputs[0]:
        nodes.append(DraftNode("ArgMax", [scores], [node.outputs[0]], {"axis": 1, "keepdims": 0}))
    return nodes
