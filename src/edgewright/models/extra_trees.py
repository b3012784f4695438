"""Extremely randomised trees (Geurts et al., 2006), pruned to the flash that they may take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from edgewright.models._plain import Floats
from edgewright.models.base import Model
from edgewright.models.forest import Forest
from edgewright.training.contract import copying

# Fewest samples of a leaf of an amount: noise asks for more. Folds, trees and samples that choose among them.
_LEAVES = (1, 3)
_FOLDS, _TREES, _CHOOSING = 3, 20, 3000


class ExtraTrees(Forest):
    """Trees whose thresholds are random; arguments and attributes as of `Forest`, and one below.

    Args:
        task, seed, trees, size_bytes: as of `Forest`.
        copies: augmented copies of each training sample; they follow the training samples.
    """

    kind = "extra_trees"
    ensembles = (ExtraTreesClassifier, ExtraTreesRegressor)
    considered = 1.0

    def __init__(
        self, task: str = "classification", seed: int = 0, trees: int = 50, size_bytes: int = 64_000, copies: int = 0
    ) -> None:
        super().__init__(task, seed, trees, size_bytes)
        self.copies = copies

    def _choose(self, ensemble: Any, X: Floats, target: NDArray[Any]) -> None:  # noqa: ANN401 - scikit-learn
        """Set the fewest samples of a leaf of an amount, by the error over blocks of neighbouring samples.

        A forest draws its samples with repetition, which smooths its answers; extra trees repeat every amount.
        """
        count = len(X) // (1 + self.copies)  # a copy of a sample that is asked must not train
        if self.task == "classification" or count < _FOLDS * max(_LEAVES):
            return
        rows = np.arange(count)[:: -(-count // _CHOOSING)]
        fold = np.arange(len(rows)) * _FOLDS // len(rows)
        errors = []
        for leaf in _LEAVES:
            few = clone(ensemble).set_params(min_samples_leaf=leaf, n_estimators=_TREES)
            errors.append(0.0)
            for part in range(_FOLDS):
                train, other = rows[fold != part], rows[fold == part]
                answers = few.fit(X[train], target[train]).predict(X[other])
                errors[-1] += float(((answers - target[other]) ** 2).sum())
        ensemble.set_params(min_samples_leaf=_LEAVES[int(np.argmin(errors))])


MODEL = Model(
    build=lambda table, training, task, seed: ExtraTrees(
        task, seed, table.trees, table.size_bytes, sum(config.copies for _, config in copying(training.augment))
    ),
    state=("fitted_",),
    settings=("trees", "size_bytes"),
)
