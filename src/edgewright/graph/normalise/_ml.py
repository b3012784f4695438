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


def as_float(chain: Chain, name: str) -> str:
    """Convert a value of any numeric type to float32; the pass `casts` removes the Cast of a float32 value."""
    return chain.op("Cast", name, to=1)


def post_transform(chain: Chain, value: str, node: DraftNode, scores: int, *, pair: bool = False) -> str:
    """Apply `post_transform`.

    Args:
        chain: receives the operator.
        value: scores, shape (n, classes or targets).
        node: operator with the attribute.
        scores: number of scores that the operator computes for a row.
        pair: whether a single score was extended to those of two classes.

    Raises:
        InputError: for PROBIT and SOFTMAX_ZERO, and where ONNX Runtime deviates from the standard: it leaves a single
            score as it is, except for LOGISTIC of two classes.
    """
    kind = node.attributes.get("post_transform", "NONE")
    if kind == "NONE":
        return value
    if scores == 1 and kind in ("LOGISTIC", "SOFTMAX") and not (pair and kind == "LOGISTIC"):
        raise InputError(
            "post_transform NONE for a single score", repr(kind), node.where,
            "ONNX Runtime ignores it there: export the model with a Sigmoid or Softmax of its own",
        )  # fmt: skip
    if kind == "LOGISTIC":
        return chain.op("Sigmoid", value)
    if kind == "SOFTMAX":
        return chain.op("Softmax", value, axis=-1)
    raise InputError("post_transform NONE, LOGISTIC or SOFTMAX", repr(kind), node.where)


def says_classes(chain: Chain, value: str, node: DraftNode, names: tuple[str, ...], votes: str = "") -> list[DraftNode]:
    """End a classifier: output 0, its label, becomes the index of the largest score; output 1 gives the scores.

    Args:
        chain: nodes so far.
        value: scores, shape (n, classes).
        node: classifier.
        names: of the classes.
        votes: value whose largest entry is the label, where that is not the largest score.
    """
    draft = chain.draft
    draft.names.append(names)
    scores = node.outputs[1] if len(node.outputs) > 1 and node.outputs[1] else draft.fresh("scores")
    nodes = chain.end(value, scores)
    if node.outputs[0]:
        nodes.append(DraftNode("ArgMax", [votes or scores], [node.outputs[0]], {"axis": 1, "keepdims": 0}))
    return nodes
