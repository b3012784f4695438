"""A random forest small enough for a device."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from edgewright.models._plain import Floats, plain_model
from edgewright.models._trees import Trees

TREES, LEVELS, FEWEST = 50, 10, 2


class Forest(Trees):
    """Arguments and attributes as of `Trees`."""

    kind = "forest"

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        settings = {"n_estimators": TREES, "max_depth": LEVELS, "min_samples_leaf": FEWEST, "random_state": self.seed}
        forest: Any
        if classes:
            forest = RandomForestClassifier(**settings, n_jobs=1)
        else:
            forest = RandomForestRegressor(**settings, max_features=1 / 3, n_jobs=1)
        self._keep(list(forest.fit(X, target).estimators_))


MODEL = plain_model(Forest)
