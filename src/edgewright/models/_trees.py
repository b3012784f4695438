"""Fitted trees of scikit-learn as tables, walked down all at once, level by level.

The pattern is that of foreign ensembles (`graph/normalise/ml_trees.py`): 16 bytes a node, seven operators a level,
and the C writer walks each tree in a loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder
from edgewright.graph.ensembles._operator import float32_limits
from edgewright.models._plain import Floats, PlainModel

_FLOAT32 = np.float32


class Trees(PlainModel):
    """One tree or several, averaged; arguments and attributes as of `PlainModel`.

    Attributes:
        nodes_: tables by name: feature, threshold, yes, no (int32 or float32, a row a node), answers (nodes, outputs).
        roots_: int32, the first node of each tree.
        depth_: levels of the deepest.
    """

    learned: tuple[str, ...] = ("nodes_", "roots_", "depth_")

    nodes_: dict[str, NDArray[Any]]
    roots_: NDArray[np.int32]
    depth_: int

    def _keep(self, fitted: list[Any]) -> None:
        """Take the trees of scikit-learn over; a comparison is `x <= threshold` on float32."""
        parts: dict[str, list[NDArray[Any]]] = {n: [] for n in ("feature", "threshold", "yes", "no", "answers")}
        roots, start = [], 0
        for one in fitted:
            tree = one.tree_
            here = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            threshold = float32_limits(tree.threshold)
            parts["feature"].append(np.where(leaf, 0, tree.feature).astype(np.int32))
            parts["threshold"].append(np.where(leaf, _FLOAT32(0), threshold).astype(_FLOAT32))
            parts["yes"].append((np.where(leaf, here, tree.children_left) + start).astype(np.int32))
            parts["no"].append((np.where(leaf, here, tree.children_right) + start).astype(np.int32))
            answers = tree.value[:, 0, :] if tree.value.ndim == 3 else tree.value
            if self.task == "classification":
                answers = answers / answers.sum(axis=1, keepdims=True)
            parts["answers"].append((answers / len(fitted)).astype(_FLOAT32))
            roots.append(start)
            start += tree.node_count
        self.nodes_ = {name: np.concatenate(tables) for name, tables in parts.items()}
        self.roots_ = np.array(roots, np.int32)
        self.depth_ = max(int(one.tree_.max_depth) for one in fitted)

    def _leaves(self, X: Floats) -> NDArray[np.int32]:
        """Return nodes at which the trees end, shape (n, trees)."""
        at = np.repeat(self.roots_[None], len(X), axis=0)
        rows, nodes = np.arange(len(X))[:, None], self.nodes_
        for _ in range(self.depth_):
            below = X[rows, nodes["feature"][at]] <= nodes["threshold"][at]
            at = np.where(below, nodes["yes"][at], nodes["no"][at])
        return at

    def _answers(self, X: Floats) -> Floats:
        made: Floats = self.nodes_["answers"][self._leaves(X)].sum(axis=1)
        return made

    def _walk(self, builder: Builder, value: str) -> str:
        """All trees walk down at once; the nodes at which they end."""
        feature, threshold = (builder.constant(self.nodes_[name]) for name in ("feature", "threshold"))
        yes, no = (builder.constant(self.nodes_[name]) for name in ("yes", "no"))
        at = ""
        for _ in range(max(1, self.depth_)):
            if at:
                found = builder.op("GatherElements", value, builder.op("Gather", feature, at, axis=0), axis=1)
                limit = builder.op("Gather", threshold, at, axis=0)
                after = [builder.op("Gather", table, at, axis=0) for table in (yes, no)]
            else:
                first = self.nodes_["feature"][self.roots_].astype(np.int64)
                found = builder.op("Gather", value, builder.constant(first), axis=1)
                limit = builder.constant(self.nodes_["threshold"][self.roots_])
                after = [builder.constant(self.nodes_[name][self.roots_]) for name in ("yes", "no")]
            at = builder.op("Where", builder.op("LessOrEqual", found, limit), *after)
        return at

    def to_graph(self, builder: Builder, value: str) -> str:
        """Return the mean answer of the trees, shape (n, outputs)."""
        answers = builder.constant(self.nodes_["answers"])
        each = builder.op("Gather", answers, self._walk(builder, value), axis=0)
        return builder.op("ReduceSum", each, builder.integers(1), keepdims=0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Tables of the nodes."""
        return self.nodes_

    def says(self, names: tuple[str, ...]) -> str:
        """How many trees and leaves."""
        leaves = int((self.nodes_["yes"] == np.arange(len(self.nodes_["yes"]))).sum())
        used = len(np.unique(self.nodes_["feature"][self.nodes_["yes"] != np.arange(len(self.nodes_["yes"]))]))
        trees = f"{len(self.roots_)} trees" if len(self.roots_) > 1 else "a tree"
        return f"{trees} of {leaves} leaves, at most {self.depth_} levels, on {used} of {len(names)} columns"
