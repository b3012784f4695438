"""Logistic regression, or ridge regression for an amount, on scaled columns; training samples choose the penalty."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV

from edgewright.graph.builder import Builder
from edgewright.models._plain import Floats, PlainModel, plain_model
from edgewright.models.base import softmax

Wide = NDArray[np.float64]

# Ridge: penalties on the sum of squared weights, of which leave-one-out takes the largest within this share of the
# smallest error: larger weights cancel each other, which costs digits in float32 and accuracy in int8. With more
# samples than columns a penalty of the variance of a column costs next to nothing, and columns that are alike share
# their weights.
_PENALTIES = np.logspace(-6.0, 5.0, 23)
_ERROR_SHARE, _FEWEST_PENALTY = 0.01, 1.0
# Logistic regression: factors of the penalty, folds, and samples that choose among the penalties.
_STEP, _STEPS, _FOLDS, _CHOOSING = 10.0, 3, 3, 3000
_ITERATIONS = 300
# A held-out sample's probability counts as at least this: one wrong label does not decide.
_DOUBT = 1e-4


class Head(NamedTuple):
    """Weights (features, outputs), bias (outputs,), and the penalty that they were fitted with."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    penalty: float


def linear_head(X: NDArray[Any], target: NDArray[Any], classes: int) -> Head:
    """Fit weighted sums of scaled columns.

    Args:
        X: (n, features), finite.
        target: (n,) class numbers, or amounts where `classes` is 0.
        classes: number of classes.
    """
    wide = np.asarray(X, np.float64)
    if not classes:
        return _ridge(wide, np.asarray(target, np.float64))
    penalty = _logistic_penalty(wide, target)
    model = _logistic(penalty).fit(wide, target)
    weights, bias = model.coef_.T, model.intercept_
    if classes == 2:
        weights, bias = np.concatenate([-weights / 2, weights / 2], axis=1), np.array([-bias[0] / 2, bias[0] / 2])
    return Head(weights.astype(np.float32), bias.astype(np.float32), penalty)


def _ridge(X: Wide, target: Wide) -> Head:
    if len(X) < 2:  # nothing can be left out to choose a penalty
        return Head(np.zeros((X.shape[1], 1), np.float32), target[:1].astype(np.float32), _FEWEST_PENALTY)
    model = RidgeCV(_PENALTIES, store_cv_results=True).fit(X, target)
    errors = np.asarray(model.cv_results_).reshape(-1, len(_PENALTIES)).mean(axis=0)
    penalty = float(_PENALTIES[errors <= errors.min() * (1.0 + _ERROR_SHARE)].max(initial=_PENALTIES[0]))
    if len(X) > X.shape[1]:
        penalty = max(penalty, _FEWEST_PENALTY * float(X.var(axis=0).mean()))
    if penalty != model.alpha_:
        model = RidgeCV([penalty]).fit(X, target)
    return Head(model.coef_[:, None].astype(np.float32), np.array([model.intercept_], np.float32), penalty)


def _logistic(penalty: float) -> Any:  # noqa: ANN401 - scikit-learn carries no types
    return _Quiet(C=1.0 / penalty, max_iter=_ITERATIONS, warm_start=True)


class _Quiet(LogisticRegression):  # type: ignore[misc]  # scikit-learn carries no types
    """Logistic regression that may stop early: the weights are good before they are final."""

    def fit(self, X: Wide, y: NDArray[Any]) -> _Quiet:
        """Fit without the warning of a column of constants or a class that is cleanly apart."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().fit(X, y)
        return self


def _logistic_penalty(X: Wide, target: NDArray[Any]) -> float:
    """Return the penalty of smallest log loss over folds, searched from 1 in factors of ten.

    The folds are blocks of consecutive samples of each class: neighbours in a file often come from one person or one
    recording, which a fold at random would put on both sides.
    """
    rows = np.arange(len(X))[:: -(-len(X) // _CHOOSING)]
    X, target = X[rows], target[rows]
    fold = np.empty(len(X), np.int64)
    for number in np.unique(target):
        members = np.flatnonzero(target == number)
        fold[members] = np.arange(len(members)) * _FOLDS // max(len(members), _FOLDS)
    splits = [(np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in range(_FOLDS)]
    splits = [(train, other) for train, other in splits if len(np.unique(target[train])) > 1 and len(other)]
    if not splits:
        return 1.0
    models = [_logistic(1.0) for _ in splits]

    def loss(penalty: float) -> float:
        total = 0.0
        for model, (train, other) in zip(models, splits, strict=True):
            model.set_params(C=1.0 / penalty).fit(X[train], target[train])
            known = other[np.isin(target[other], model.classes_)]
            if len(known):
                chances = model.predict_proba(X[known])
                right = chances[np.arange(len(known)), np.searchsorted(model.classes_, target[known])]
                total -= float(np.log(np.maximum(right, _DOUBT)).sum())
        return total

    best, smallest = 1.0, loss(1.0)
    for factor in (1.0 / _STEP, _STEP):
        if best != 1.0:
            break
        for step in range(1, _STEPS + 1):
            error = loss(factor**step)
            if error >= smallest:
                break
            best, smallest = factor**step, error
    return best


_STRONGEST = 3


class Linear(PlainModel):
    """Weighted sums of the columns; arguments and attributes as of `PlainModel`. Columns ought to be scaled.

    Attributes:
        weights_: (features, outputs), float32.
        bias_: (outputs,), float32.
        penalty_: on the squared weights, chosen on the training samples; set by `fit`, not stored.
    """

    kind = "linear"
    function = "linear"
    learned = ("weights_", "bias_")

    weights_: Floats
    bias_: Floats
    penalty_: float

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        self.weights_, self.bias_, self.penalty_ = linear_head(X, target, classes)

    def _answers(self, X: Floats) -> Floats:
        # In float64 an answer does not depend on the rows that come with it.
        raw = np.asarray(np.asarray(X, np.float64) @ self.weights_ + self.bias_, np.float32)
        return raw if self.task != "classification" else softmax(raw)

    def _soften(self, heat: float) -> None:
        self.weights_, self.bias_ = self.weights_ / np.float32(heat), self.bias_ / np.float32(heat)

    def to_graph(self, builder: Builder, value: str) -> str:
        """One dense layer, and softmax for classes."""
        raw = builder.op("Gemm", value, builder.constant(self.weights_), builder.constant(self.bias_))
        return builder.op("Softmax", raw, axis=1) if self.task == "classification" else raw

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights and bias."""
        return {"weights": self.weights_, "bias": self.bias_}

    def macs(self) -> int:
        """One a weight."""
        return int(self.weights_.size)

    def says(self, names: tuple[str, ...]) -> str:
        """How many columns are weighed, and the strongest."""
        size = np.abs(self.weights_).max(axis=1)
        strongest = ", ".join(names[int(n)] for n in np.argsort(-size, kind="stable")[:_STRONGEST])
        return f"weighted sum of {len(names)} columns; largest weight: {strongest}"


MODEL = plain_model(Linear)
