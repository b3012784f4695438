"""Boosted trees small enough for a device: scikit-learn's histogram-based gradient boosting."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from edgewright.core.errors import TreesError
from edgewright.graph.builder import Builder
from edgewright.graph.ensembles import draw_rows, float32_limits
from edgewright.models._plain import Floats
from edgewright.models.base import Model, softmax
from edgewright.models.tree import EXACT, TWO_BYTES, Trees, whole_numbers

# Step of a round, and the fewest training samples in a leaf.
STEP, FEWEST = 0.1, 20
# Added to the curvature of a leaf's loss. Without it, leaves of a class of few samples divide by almost 0 and reach
# 100,000; two bytes then round all others to nothing.
L2 = 0.1


# Links of scikit-learn's losses for amounts.
_LINKS = {"IdentityLink": "", "LogLink": "log"}
# Sums of float32 differ from scikit-learn's float64 by less.
_TOLERANCE = 1e-4


class Boosting(Trees):
    """Arguments and attributes as of `Trees`, and those below.

    Args:
        task: 'classification' or 'regression'.
        seed: of whatever is drawn.
        rounds: each adds a tree for each class, or one tree for two classes or an amount.
        leaves: largest number of leaves of a tree.

    Attributes:
        base_: float32, shape (trees a round,), the score before the first round.
        link_: 'log' where the scores are logarithms of the amounts, else empty.
        missing: whether the tables say on which side of a split a missing value is.
    """

    kind = "boosting"
    optional: ClassVar[dict[str, Any]] = {"link_": "", "missing": False}
    link_ = ""

    def __init__(self, task: str = "classification", seed: int = 0, rounds: int = 30, leaves: int = 16) -> None:
        super().__init__(task, seed)
        self.rounds = rounds
        self.leaves = leaves

    @property
    def answers_missing(self) -> bool:
        """Whether a pipeline needs no stage that fills missing values."""
        return self.missing

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

        Missing values (NaN) go where scikit-learn sends them. Predictions are compared with those of `model` on drawn
        rows.

        Raises:
            InputError: for a model that is not fitted, splits on categories, has another link than those of
                scikit-learn 1.9, or predicts something else.
        """
        if not hasattr(model, "_predictors"):
            raise TreesError("a fitted HistGradientBoosting model", type(model).__name__, "Boosting.from_fitted")
        boosting = cls("classification" if hasattr(model, "classes_") else "regression")
        boosting.n_features_in_ = int(model.n_features_in_)
        boosting.shape_ = [boosting.n_features_in_]
        if hasattr(model, "classes_"):
            boosting.classes_ = model.classes_
        boosting._take(model, EXACT, missing=True)
        boosting._compare(model)
        return boosting

    def _compare(self, fitted: Any) -> None:  # noqa: ANN401 - scikit-learn carries no types
        """Compare predictions on rows around the thresholds, some of them with missing values.

        Raises:
            InputError: where they differ.
        """
        split = self.nodes_["yes"] != np.arange(len(self.nodes_["yes"]))
        feature, threshold = self.nodes_["feature"][split], self.nodes_["threshold"][split]
        rows = draw_rows(int(self.n_features_in_), feature, threshold)
        method = "predict_proba" if self.task == "classification" else "predict"
        with warnings.catch_warnings():
            # A model that was fitted on a data frame misses the names of the columns.
            warnings.simplefilter("ignore", UserWarning)
            theirs = getattr(fitted, method)(rows.astype(np.float64))
        ours = getattr(self, method)(rows)
        if not np.allclose(ours, theirs, rtol=_TOLERANCE, atol=_TOLERANCE * max(1.0, float(np.abs(theirs).max()))):
            got = f"others, up to {np.abs(ours - theirs).max():.3g} away on {len(rows)} drawn rows"
            raise TreesError("the predictions of scikit-learn", got, "Boosting.from_fitted", "Report the model")

    def _take(self, fitted: Any, largest: int = TWO_BYTES, *, missing: bool = False) -> None:  # noqa: ANN401
        trees = [tree.nodes for trees in fitted._predictors for tree in trees]
        if any(nodes["is_categorical"].any() for nodes in trees):
            raise TreesError("splits on numbers", "splits on categories", "HistGradientBoosting", "Encode them first")
        link = type(fitted._loss.link).__name__
        if self.task != "classification" and link not in _LINKS:
            raise TreesError(f"a loss with {' or '.join(_LINKS)}", link, "HistGradientBoosting")
        self.link_ = "" if self.task == "classification" else _LINKS[link]
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
        if missing:
            self.missing = True
            self.nodes_["missing"] = nodes["missing_go_to_left"].astype(bool) & ~leaf
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
            return np.asarray(np.exp(scores) if self.link_ else scores, np.float32)
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
            return builder.op("Exp", scores) if self.link_ else scores
        if len(self.base_) == 1:
            # The sigmoid of a score is the softmax of its halves with either sign.
            scores = builder.op("Mul", scores, builder.constant(np.array([[-0.5, 0.5]], np.float32)))
        return builder.op("Softmax", scores, axis=1)


MODEL = Model(
    build=lambda table, training, task, seed: Boosting(task, seed, table.rounds, table.leaves),
    state=("fitted_",),
    settings=("rounds", "leaves"),
)
