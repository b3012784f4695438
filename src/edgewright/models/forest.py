"""A random forest, pruned to the flash that it may take."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from edgewright.models._plain import Floats
from edgewright.models.base import Model
from edgewright.models.tree import Trees, leaves_within

LEVELS = 20
# Leaves that a tree grows for each that fits, before the least useful splits of all trees are pruned; and the fewest
# that fit, below which there are fewer trees.
_GROWN, _FEWEST = 4, 8


class Forest(Trees):
    """Arguments and attributes as of `Trees`, and those below.

    Args:
        task: 'classification' or 'regression'.
        seed: of whatever is drawn.
        trees: how many.
        size_bytes: of the trees' tables in generated C, at most.
    """

    kind = "forest"
    ensembles: ClassVar[tuple[Any, Any]] = (RandomForestClassifier, RandomForestRegressor)
    considered: ClassVar[float] = 1 / 3
    """Share of the columns that a split of an amount considers."""

    def __init__(self, task: str = "classification", seed: int = 0, trees: int = 50, size_bytes: int = 64_000) -> None:
        super().__init__(task, seed)
        self.trees = trees
        self.size_bytes = size_bytes

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        leaves = leaves_within(self.size_bytes, self.trees, X.shape[1], max(classes, 1), self.task)
        trees = max(1, min(self.trees, leaves // _FEWEST))
        settings = {
            "n_estimators": trees, "max_depth": LEVELS, "max_leaf_nodes": max(2, _GROWN * leaves // trees),
            "random_state": self.seed, "n_jobs": 1,
        }  # fmt: skip
        classifier, regressor = self.ensembles
        ensemble = classifier(**settings) if classes else regressor(**settings, max_features=self.considered)
        self._choose(ensemble, X, target)
        self._keep(list(ensemble.fit(X, target).estimators_), self.size_bytes)

    def _choose(self, ensemble: Any, X: Floats, target: NDArray[Any]) -> None:  # noqa: ANN401 - scikit-learn
        """Set what training samples choose; here nothing."""


MODEL = Model(
    build=lambda table, training, task, seed: Forest(task, seed, table.trees, table.size_bytes),
    state=("fitted_",),
    settings=("trees", "size_bytes"),
)
