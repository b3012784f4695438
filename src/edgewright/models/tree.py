"""One decision tree of few levels."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from edgewright.models._plain import Floats, plain_model
from edgewright.models._trees import Trees

# A tree that can be read: at most 2^6 leaves, none of a handful of samples.
LEVELS, FEWEST = 6, 5


class Tree(Trees):
    """Arguments and attributes as of `Trees`."""

    kind = "tree"

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        tree = DecisionTreeClassifier if classes else DecisionTreeRegressor
        self._keep([tree(max_depth=LEVELS, min_samples_leaf=FEWEST, random_state=self.seed).fit(X, target)])


MODEL = plain_model(Tree)
