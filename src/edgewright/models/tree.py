"""One decision tree of few levels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from edgewright.graph.builder import Builder
from edgewright.graph.ensembles import float32_limits
from edgewright.models._plain import Floats, PlainModel, plain_model

_FLOAT32 = np.float32
# The answer of a leaf is its classes' shares in 255ths, which take a byte each.
_SHARES = 255
# Answers that are amounts take two bytes; float32 adds whole numbers below 2^24 without rounding.
TWO_BYTES, EXACT = (1 << 15) - 1, 1 << 24


class Trees(PlainModel):
    """One tree or several, averaged; arguments and attributes as of `PlainModel`.

    Attributes:
        nodes_: tables by name: feature, threshold, yes, no (int32 or float32, a row a node), answers (nodes, outputs);
            where missing values have a side, missing (bool: whether that of yes).
        roots_: int32, the first node of each tree.
        depth_: levels of the deepest.
        step_: unit of the answers, which are whole numbers.
        base_: float32, (outputs,), added to the sum of the answers.
    """

    learned: tuple[str, ...] = ("nodes_", "roots_", "depth_", "step_", "base_")

    nodes_: dict[str, NDArray[Any]]
    roots_: NDArray[np.int32]
    depth_: int
    step_: float
    base_: Floats

    def _keep(self, fitted: list[Any], size_bytes: int | None = None) -> None:
        """Take the trees of scikit-learn over; a comparison is `x <= threshold` on float32.

        Args:
            fitted: trees of scikit-learn.
            size_bytes: of the tables in generated C, into which the trees are pruned; None keeps every split.
        """
        trees = [estimator.tree_ for estimator in fitted]
        outputs = self._out if self.task == "classification" else 1
        worth = [_worth(tree) for tree in trees]
        limit = -math.inf
        if size_bytes is not None:
            splits = np.sort(np.concatenate(worth))
            count = leaves_within(size_bytes, len(trees), int(self.n_features_in_), outputs, self.task) - len(trees)
            limit = splits[-count - 1] if 0 <= count < len(splits) else limit
        parts: dict[str, list[NDArray[Any]]] = {n: [] for n in ("feature", "threshold", "yes", "no", "answers")}
        roots, start, self.depth_ = [], 0, 0
        for tree, gains in zip(trees, worth, strict=True):
            split, level = gains > limit, np.zeros(tree.node_count, np.int64)
            kept = np.zeros(tree.node_count, bool)
            kept[0] = True
            # A node comes before its branches.
            for node in np.flatnonzero(split):
                below = [tree.children_left[node], tree.children_right[node]]
                kept[below], level[below] = True, level[node] + 1
            number = start + np.cumsum(kept) - 1
            parts["feature"].append(np.where(split, tree.feature, 0)[kept].astype(np.int32))
            parts["threshold"].append(np.where(split, float32_limits(tree.threshold), _FLOAT32(0))[kept])
            for name, branch in (("yes", tree.children_left), ("no", tree.children_right)):
                parts[name].append(np.where(split, number[branch], number)[kept].astype(np.int32))
            answers = tree.value[:, 0, :] if tree.value.ndim == 3 else tree.value
            parts["answers"].append(np.where(split[:, None], np.nan, answers)[kept])
            roots.append(start)
            start += int(kept.sum())
            self.depth_ = max(self.depth_, int(level.max()))
        self.roots_ = np.array(roots, np.int32)
        self.nodes_ = {name: np.concatenate(tables) for name, tables in parts.items()}
        self._round(self.nodes_.pop("answers"))

    def _round(self, answers: NDArray[np.float64]) -> None:
        """Store answers as whole numbers, NaN ones of inner nodes as 0: a sum over trees is exact in any order."""
        leaf, trees = ~np.isnan(answers[:, 0]), len(self.roots_)
        whole = np.zeros(answers.shape, _FLOAT32)
        if self.task == "classification":
            whole[leaf] = _shares(answers[leaf])
            self.base_, self.step_ = np.zeros(answers.shape[1], _FLOAT32), float(_FLOAT32(1.0 / (_SHARES * trees)))
        else:
            self.base_ = np.array([answers[leaf].mean()], _FLOAT32)
            whole[leaf], step = whole_numbers(answers[leaf] - self.base_.astype(np.float64), trees)
            self.step_ = float(_FLOAT32(step / trees))
        self.nodes_["answers"] = whole

    def _leaves(self, X: Floats) -> NDArray[np.int32]:
        """Return nodes at which the trees end, shape (n, trees)."""
        at = np.repeat(self.roots_[None], len(X), axis=0)
        rows, nodes = np.arange(len(X))[:, None], self.nodes_
        for _ in range(self.depth_):
            values = X[rows, nodes["feature"][at]]
            below = values <= nodes["threshold"][at]
            if "missing" in nodes:
                below |= np.isnan(values) & nodes["missing"][at]
            at = np.where(below, nodes["yes"][at], nodes["no"][at])
        return at

    def _answers(self, X: Floats) -> Floats:
        total: Floats = self.nodes_["answers"][self._leaves(X)].sum(axis=1)
        return self._calibrated(total * _FLOAT32(self.step_) + self.base_)

    def _walk(self, builder: Builder, value: str) -> str:
        """All trees walk down at once; the nodes at which they end."""
        feature, threshold = (builder.constant(self.nodes_[name]) for name in ("feature", "threshold"))
        yes, no = (builder.constant(self.nodes_[name]) for name in ("yes", "no"))
        sides = self.nodes_.get("missing")
        missing = "" if sides is None else builder.constant(sides)
        at = ""
        for _ in range(max(1, self.depth_)):
            if at:
                feature_value = builder.op("GatherElements", value, builder.op("Gather", feature, at, axis=0), axis=1)
                limit = builder.op("Gather", threshold, at, axis=0)
                after = [builder.op("Gather", table, at, axis=0) for table in (yes, no)]
                side = builder.op("Gather", missing, at, axis=0) if missing else ""
            else:
                first = self.nodes_["feature"][self.roots_].astype(np.int64)
                feature_value = builder.op("Gather", value, builder.constant(first), axis=1)
                limit = builder.constant(self.nodes_["threshold"][self.roots_])
                after = [builder.constant(self.nodes_[name][self.roots_]) for name in ("yes", "no")]
                side = "" if sides is None else builder.constant(sides[self.roots_])
            answer = builder.op("LessOrEqual", feature_value, limit)
            if missing:
                answer = builder.op("Or", answer, builder.op("And", builder.op("IsNaN", feature_value), side))
            at = builder.op("Where", answer, *after)
        return at

    def to_graph(self, builder: Builder, value: str) -> str:
        """Return the mean answer of the trees, shape (n, outputs)."""
        answers = builder.constant(self.nodes_["answers"])
        each = builder.op("Gather", answers, self._walk(builder, value), axis=0)
        total = builder.op("ReduceSum", each, builder.integers(1), keepdims=0)
        return self._emit_calibrated(builder, self._scaled(builder, total))

    def _scaled(self, builder: Builder, total: str) -> str:
        """Return the sums in their unit, on their base."""
        scaled = builder.op("Mul", total, builder.constant(np.array([[self.step_]], _FLOAT32)))
        return builder.op("Add", scaled, builder.constant(self.base_[None])) if self.base_.any() else scaled

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Tables of the nodes."""
        return self.nodes_

    def nodes(self) -> int:
        """Return how many splits and leaves all trees have."""
        return len(self.nodes_["yes"])

    def comparisons(self) -> int:
        """Return the sum of the depths of all trees."""
        yes, no = self.nodes_["yes"], self.nodes_["no"]
        at, total = self.roots_, 0
        tree = np.arange(len(at))
        while True:
            split = yes[at] != at  # a leaf leads to itself
            at, tree = at[split], tree[split]
            if not len(at):
                return total
            total += len(np.unique(tree))
            at, tree = np.concatenate([yes[at], no[at]]), np.concatenate([tree, tree])

    def says(self, names: tuple[str, ...]) -> str:
        """How many trees and leaves."""
        leaves = int((self.nodes_["yes"] == np.arange(len(self.nodes_["yes"]))).sum())
        used = len(np.unique(self.nodes_["feature"][self.nodes_["yes"] != np.arange(len(self.nodes_["yes"]))]))
        trees = f"{len(self.roots_)} trees" if len(self.roots_) > 1 else "a tree"
        return f"{trees} of {leaves:,} leaves, at most {self.depth_} levels, on {used} of {len(names)} columns"


def _worth(tree: Any) -> NDArray[np.float64]:  # noqa: ANN401 - scikit-learn carries no types
    """Return for each split the largest decrease of impurity at it or below it; minus infinity for leaves.

    Splits above a limit are a tree again, because no split is worth more than those above it.
    """
    left, right = tree.children_left, tree.children_right
    split = np.flatnonzero(left >= 0)
    risk = tree.impurity * tree.weighted_n_node_samples / tree.weighted_n_node_samples[0]
    worth = np.full(tree.node_count, -np.inf)
    worth[split] = risk[split] - risk[left[split]] - risk[right[split]]
    for node in split[::-1]:
        worth[node] = max(worth[node], worth[left[node]], worth[right[node]])
    return worth


def leaves_within(size_bytes: int, trees: int, features: int, outputs: int, task: str) -> int:
    """Return the largest number of leaves of all trees whose tables in generated C take so many bytes."""
    answer = outputs if task == "classification" else 2 * outputs
    for number, nodes in ((1, 255), (2, 65_535), (4, math.inf)):
        split = (1 if features <= _SHARES + 1 else 2) + 4 + 2 * number
        leaves = int((size_bytes + trees * (split - number)) // (split + answer))
        if 2 * leaves - trees <= nodes:
            return leaves
    return leaves


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round shares to 255ths that add up to 255, by the largest remainders."""
    exact = values / values.sum(axis=1, keepdims=True) * _SHARES
    whole = np.floor(exact)
    missing = _SHARES - whole.sum(axis=1, keepdims=True)
    order = np.argsort(whole - exact, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return np.asarray(whole + (rank < missing), np.float64)


def whole_numbers(values: NDArray[np.float64], trees: int, largest: int = TWO_BYTES) -> tuple[Floats, float]:
    """Return values in a unit that makes them whole numbers, of which so many trees add exactly, and the unit."""
    limit = min(largest, (EXACT - 1) // trees)
    step = float(np.abs(values).max(initial=0.0)) / limit or 1.0
    return np.rint(values / step).astype(_FLOAT32), step


# A tree that can be read: at most 2^6 leaves, none of a handful of samples.
LEVELS, FEWEST = 6, 5


class Tree(Trees):
    """Arguments and attributes as of `Trees`."""

    kind = "tree"

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        tree = DecisionTreeClassifier if classes else DecisionTreeRegressor
        self._keep([tree(max_depth=LEVELS, min_samples_leaf=FEWEST, random_state=self.seed).fit(X, target)])


MODEL = plain_model(Tree)
