"""One column and one threshold; for several classes or an amount, several thresholds on that column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.models._plain import Floats, plain_model
from edgewright.models.rules import COLUMN, Condition, Rules, answered, best_columns, between

# Columns that are tried with all thresholds: the best with one.
_COLUMNS = 12
# Pieces that an amount is cut into.
_PIECES = 4


class Threshold(Rules):
    """Cuts of one column, each piece with its answer; arguments and attributes as of `Rules`.

    The column and the cuts are those of least Gini impurity (least square error for an amount) on the training
    samples, classes weighing alike, so that a rare class is not cut away.
    """

    kind = "threshold"
    poor = True

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        wide = np.eye(classes)[target] if classes else np.asarray(target, np.float64)[:, None]
        alike = wide / wide.sum(axis=0) if classes else wide
        best: tuple[float, int, NDArray[np.float64]] | None = None
        for column in best_columns(X, alike)[:_COLUMNS]:
            left, cuts = _cut(X[:, [int(column)]], target, classes)
            if len(cuts) and (best is None or left < best[0]):
                best = (left, int(column), cuts)
        rules = [] if best is None else _pieces(best[1], best[2], wide, X)
        self.table_ = answered(rules, X, wide, classes).arrays


def _cut(column: Floats, target: NDArray[Any], classes: int) -> tuple[float, NDArray[np.float64]]:
    """Impurity that cuts of one column leave, and the cuts, rising."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # noqa: PLC0415 - slow to load

    tree: Any
    if classes:
        tree = DecisionTreeClassifier(max_leaf_nodes=max(2, classes), min_samples_leaf=5, class_weight="balanced")
    else:
        tree = DecisionTreeRegressor(max_leaf_nodes=_PIECES, min_samples_leaf=5)
    tree_structure = tree.fit(column, target).tree_
    leaves, weight = tree_structure.children_left < 0, tree_structure.weighted_n_node_samples
    return float((tree_structure.impurity * weight)[leaves].sum()), np.sort(tree_structure.threshold[~leaves])


def _pieces(column: int, cuts: NDArray[np.float64], wide: NDArray[np.float64], X: Floats) -> list[list[Condition]]:
    """Return a rule a piece, the commonest piece left to the last answer where there are two."""
    value = X[:, column]
    short = [_short(value, cut) for cut in cuts]
    if len(short) == 1:
        upper = value >= short[0]
        base = wide.mean(axis=0)
        # The piece that differs from most of the samples is the one to be told.
        rise = np.abs(wide[upper].mean(axis=0) - base).sum(), np.abs(wide[~upper].mean(axis=0) - base).sum()
        return [
            [Condition(COLUMN, column, column, bool(rise[0] >= rise[1]), _side(value, short[0], rise[0] >= rise[1]))]
        ]
    return [[Condition(COLUMN, column, column, True, cut)] for cut in reversed(short)]


def _short(value: Floats, cut: float) -> float:
    """Return the threshold with the fewest digits between the samples on both sides."""
    known = value[np.isfinite(value)]
    low, high = float(known[known <= cut].max()), float(known[known > cut].min())
    return between(low, high, high)


def _side(value: Floats, cut: float, at_least: bool) -> float:
    """Return the threshold for 'at most': a sample that has the cut itself lies above."""
    return cut if at_least else float(np.nextafter(np.float32(cut), np.float32(-np.inf)))


MODEL = plain_model(Threshold)
