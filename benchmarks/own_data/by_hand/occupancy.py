"""Occupancy of a room: five readings a minute, with and without their change over the last minutes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.own_data.by_hand import _models as models
from benchmarks.own_data.choosing import Candidate
from edgewright.core.records.data import Samples

# Rows before a row that say how a reading has changed.
_LAGS = (5, 15)


def candidates(samples: Samples, folder: Path) -> list[Candidate]:
    """Return them; changes over time look back only."""
    X = np.asarray(samples.X, np.float64)
    before = [X - np.concatenate([np.repeat(X[:1], lag, axis=0), X[:-lag]]) for lag in _LAGS]
    tables = {"readings": X, "readings and changes": np.concatenate([X, *before], axis=1)}
    ways = {
        "logistic regression": models.logistic(),
        "balanced logistic regression": models.logistic(class_weight="balanced"),
        "SVM": models.support_vectors(1.0),
        "random forest": models.forest(min_samples_leaf=5),
        "boosted trees": models.boosting(),
        "small boosted trees": models.boosting(max_leaf_nodes=4, learning_rate=0.05),
    }
    return [Candidate(f"{of}, {name}", table, way) for of, table in tables.items() for name, way in ways.items()]
