"""Trees with numbers at their leaves as the one operator of an ONNX converter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.from_onnx_parse import Declared, Parsed
from edgewright.graph.normalise._draft import DraftNode
from edgewright.schema.errors import InputError


def float32_limits(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold: `x <= threshold` stays true for the same float32 values."""
    limits: NDArray[np.float32] = thresholds.astype(np.float32)
    high = limits.astype(np.float64) > thresholds
    limits[high] = np.nextafter(limits[high], np.float32(-np.inf))
    return limits


# More are a damaged file's.
_LARGEST = 1 << 20
_LEAF = "LEAF"


@dataclass(frozen=True)
class Node:
    """A node of a tree: the answer of a leaf, or a question with the two nodes that follow.

    Attributes:
        value: answer of a leaf; threshold of a question.
        feature: column that is asked.
        yes: number of the node in its tree that follows a yes; negative for a leaf.
        no: the node that follows a no.
        missing: whether a missing value answers yes.
    """

    value: float
    feature: int = 0
    yes: int = -1
    no: int = -1
    missing: bool = False


def parsed(
    trees: Sequence[Sequence[Node]],
    *,
    mode: str,
    columns: int,
    ends: Sequence[int],
    base: Sequence[float],
    link: str,
    classes: int = 0,
    average: bool = False,
    producer: str = "",
) -> Parsed:
    """Return the model as a file of ONNX would hold it.

    Args:
        trees: each a list of nodes, its root first.
        mode: of all questions, `BRANCH_LEQ` or `BRANCH_LT`.
        columns: of a row.
        ends: of each tree, the place of the score to which it adds.
        base: the scores before the first tree.
        link: what becomes of the scores: 'NONE', 'LOGISTIC', 'SOFTMAX', or 'EXP' for an amount.
        classes: 0 for an amount.
        average: whether the trees are averaged, not summed.
        producer: the tool.

    Raises:
        InputError: for a model without trees, or of senseless size.
    """
    nodes = [(number, place, node) for number, tree in enumerate(trees) for place, node in enumerate(tree)]
    if not 0 < len(nodes) <= _LARGEST or not 0 < columns <= _LARGEST:
        got = f"{len(nodes):,} nodes, {columns:,} columns"
        raise InputError(f"trees of 1 to {_LARGEST:,} nodes in all", got, "the model", "Save it again")
    leaves = [(number, place, node.value) for number, place, node in nodes if node.yes < 0]
    prefix = "class" if classes else "target"
    attributes: dict[str, Any] = {
        "nodes_treeids": tuple(number for number, _, _ in nodes),
        "nodes_nodeids": tuple(place for _, place, _ in nodes),
        "nodes_modes": tuple(_LEAF if node.yes < 0 else mode for _, _, node in nodes),
        "nodes_featureids": tuple(node.feature for _, _, node in nodes),
        "nodes_values": tuple(0.0 if node.yes < 0 else node.value for _, _, node in nodes),
        "nodes_truenodeids": tuple(max(0, node.yes) for _, _, node in nodes),
        "nodes_falsenodeids": tuple(max(0, node.no) for _, _, node in nodes),
        "nodes_missing_value_tracks_true": tuple(int(node.missing) for _, _, node in nodes),
        f"{prefix}_treeids": tuple(number for number, _, _ in leaves),
        f"{prefix}_nodeids": tuple(place for _, place, _ in leaves),
        f"{prefix}_ids": tuple(ends[number] for number, _, _ in leaves),
        f"{prefix}_weights": tuple(value for _, _, value in leaves),
        "base_values": tuple(base),
        "post_transform": "NONE" if link == "EXP" else link,
    }
    if classes:
        attributes["classlabels_int64s"] = tuple(range(classes))
        node = DraftNode("TreeEnsembleClassifier", ["input"], ["label", "scores"], attributes, "ai.onnx.ml")
        outputs, made = ["label", "scores"], [node]
    else:
        attributes |= {"n_targets": 1, "aggregate_function": "AVERAGE" if average else "SUM"}
        end = "amount" if link == "EXP" else "value"
        made = [DraftNode("TreeEnsembleRegressor", ["input"], [end], attributes, "ai.onnx.ml")]
        made += [DraftNode("Exp", [end], ["value"])] if link == "EXP" else []
        outputs = ["value"]
    source = Declared("input", "float32", (-1, columns), ("", ""))
    return Parsed(nodes=made, inputs=[source], outputs=outputs, opset=18, producer=producer)
