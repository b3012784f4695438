"""Models that are no rungs, for comparison on the same folds and columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from edgewright.schema.data import Floats
from edgewright.search.ladder.contract import Part
from edgewright.search.problem import Indices


@dataclass(frozen=True)
class Peer:
    """A model: its title, and fitting it on a part."""

    title: str
    fit: Callable[[Part], Callable[[Indices], Floats]]


def _boosting(part: Part) -> Callable[[Indices], Floats]:
    """scikit-learn's gradient boosting with its defaults."""
    X, y = part.X[part.train], part.y[part.train]
    if part.problem.task != "classification":
        amounts: Any = HistGradientBoostingRegressor(random_state=0).fit(X, y.astype(np.float64))
        return lambda rows: np.asarray(amounts.predict(part.X[rows]), np.float32)[:, None]
    model: Any = HistGradientBoostingClassifier(random_state=0).fit(X, y)
    places = np.searchsorted(np.asarray(part.problem.classes), np.asarray(model.classes_))

    def answers(rows: Indices) -> Floats:
        wide = np.zeros((len(rows), len(part.problem.classes)), np.float32)
        wide[:, places] = model.predict_proba(part.X[rows])
        return wide

    return answers


PEERS = {"boosting": Peer("boosting on the same columns", _boosting)}
