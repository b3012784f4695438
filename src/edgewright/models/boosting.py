"""Boosted trees small enough for a device: scikit-learn's histogram-based gradient boosting."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from edgewright.graph.builder import Builder
from edgewright.graph.ensembles import float32_limits
from edgewright.models._plain import Floats
from edgewright.models._trees import EXACT, TWO_BYTES, Trees, whole_numbers
from edgewright.models.contract import Model
from edgewright.models.outputs import softmax
from edgewright.schema.errors import InputError

# Step of a round, and the fewest training samples in a leaf.
STEP, FEWEST = 0.1, 20
# Added to the curvature of a leaf's loss. Without it, leaves of a class of few samples divide by almost 0 and reach
# 100,000; two bytes then round all others to nothing.
L2 = 0.1


class Boosting(Trees):
    """Arguments and attributes as of `Trees`, and those below.

    Args:
        task: 'classification' or 'regression'.
        seed: of whatever is drawn.
        rounds: each adds a tree for each class, or one tree for two classes or an amount.
        leaves: largest number of leaves of a tree.

    Attributes:
        base_: float32, shape (trees a round,), the score before the first round.
    """

    kind = "boosting"

    def __init__(self, task: str = "classification", seed: int = 0, rounds: int = 30, leaves: int = 16) -> None:
        super().__init__(task, seed)
        self.rounds = rounds
        self.leaves = leaves

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        settings = {
            "max_iter": self.rounds, "max_leaf_nodes": self.leaves, "learning_rate": STEP, "min_samples_leaf": FEWEST,
            "l2_regularization": L2, "early_stopping": False, "random_state": self.seed,
        }  # fmt: skip
        model: Any = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(**settings)
        self._take(model.fit(X, target))

    @classmethod
    def from_fitted(cls, model: Any) -> Self:  # noqa: ANN401 - scikit-learn carries no types
        """Return the last stage of a pipeline, from a fitted `HistGradientBoostingClassifier` or `...Regressor`.

        Raises:
            InputError: for a model that is not fitted, or splits on categories.
        """
        if not hasattr(model, "_predictors"):
            raise InputError("a fitted HistGradientBoosting model", type(model).__name__, "Boosting.from_fitted")
        boosting = cls("classification" if hasattr(model, "classes_") else "regression")
        boosting.n_features_in_ = int(model.n_features_in_)
        boosting.shape_ = [boosting.n_features_in_]
        if hasattr(model, "classes_"):
            boosting.classes_ = model.classes_
        boosting._take(model, EXACT)
        return boosting

    def _take(self, fitted: Any, largest: int = TWO_BYTES) -> None:  # noqa: ANN401 - scikit-learn carries no types
        trees = [tree.nodes for trees in fitted._predictors for tree in trees]
        if any(nodes["is_categorical"].any() for nodes in trees):
            raise InputError("splits on numbers", "splits on categories", "HistGradientBoosting", "Encode them first")
        starts = np.cumsum([0, *(len(nodes) for nodes in trees[:-1])])
        nodes = np.concatenate(trees)
        start = np.repeat(starts, [len(tree) for tree in trees])
        here, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
        self.nodes_ = {
            "feature": np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
            "threshold": np.where(leaf, np.float32(0), float32_limits(nodes["num_threshold"])),
            "yes": np.where(leaf, here, nodes["left"] + start).astype(np.int32),
            "no": np.where(leaf, here, nodes["right"] + start).astype(np.int32),
        }
        self.base_ = np.asarray(fitted._baseline_prediction, np.float32).reshape(-1)
        answers, self.step_ = whole_numbers(np.where(leaf, nodes["value"], 0.0), len(fitted._predictors), largest)
        self.nodes_["answers"] = answers[:, None]
        self.roots_ = starts.astype(np.int32)
        self.depth_ = int(nodes["depth"].max())

    def _answers(self, X: Floats) -> Floats:
        each = self.nodes_["answers"][self._leaves(X), 0]
        total = each.reshape(len(X), -1, len(self.base_)).sum(axis=1)
        scores = total * np.float32(self.step_) + self.base_
        if self.task != "classification":
            return np.asarray(scores, np.float32)
        if len(self.base_) == 1:
            scores = np.concatenate([-scores / 2, scores / 2], axis=1)
        return softmax(scores)

    def _soften(self, heat: float) -> None:
        self.step_, self.base_ = float(np.float32(self.step_ / heat)), self.base_ / np.float32(heat)

    def to_graph(self, builder: Builder, value: str) -> str:
        """All trees walk down at once; the leaves of a round are one score a class, then probabilities."""
        each = builder.op("Gather", builder.constant(self.nodes_["answers"][:, 0]), self._walk(builder, value), axis=0)
        rounds = builder.op("Reshape", each, builder.integers(-1, len(self.roots_) // len(self.base_), len(self.base_)))
        scores = self._scaled(builder, builder.op("ReduceSum", rounds, builder.integers(1), keepdims=0))
        if self.task != "classification":
            return scores
        if len(self.base_) == 1:
            # The sigmoid of a score is the softmax of its halves with either sign.
            scores = builder.op("Mul", scores, builder.constant(np.array([[-0.5, 0.5]], np.float32)))
        return builder.op("Softmax", scores, axis=1)


MODEL = Model(
    build=lambda table, training, task, seed: Boosting(task, seed, table.rounds, table.leaves),
    state=("fitted_",),
    settings=("rounds", "leaves"),
)
