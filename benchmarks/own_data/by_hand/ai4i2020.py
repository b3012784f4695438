"""Failures of a machine: the five readings, what physics makes of them, and the quality of the product."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.own_data.by_hand import _models as models
from benchmarks.own_data.choosing import Candidate
from edgewright.core.records.data import Samples

_TYPES = ("L", "M", "H")


def candidates(samples: Samples, folder: Path) -> list[Candidate]:
    """Return pipelines that also read the column `Type`, which is text."""
    with (folder / "ai4i2020.csv").open(encoding="utf-8-sig", newline="") as file:
        types = [row["Type"] for row in csv.DictReader(file)]
    one_hot = np.array([[kind == one for one in _TYPES] for kind in types], np.float64)
    quality = np.array([[_TYPES.index(kind)] for kind in types], np.float64)
    numbers = _engineered(samples)
    wear = (numbers[:, -1] / (11000 + 1000 * quality[:, 0]))[:, None]
    tables = {
        "engineered and Type": np.concatenate([numbers, one_hot, quality], axis=1),
        "engineered, Type and strain by Type": np.concatenate([numbers, one_hot, quality, wear], axis=1),
    }
    return _ways(tables)


def numeric(samples: Samples, folder: Path) -> list[Candidate]:
    """Return pipelines that read numbers only, as `init` does."""
    return _ways({"readings": np.asarray(samples.X, np.float64), "engineered": _engineered(samples)})


def _engineered(samples: Samples) -> NDArray[np.float64]:
    """Return readings, difference of temperatures, power in W, torque by speed, and strain (wear times torque)."""
    X = np.asarray(samples.X, np.float64)
    air, process, speed, torque, wear = X.T
    more = [process - air, torque * speed * 2 * np.pi / 60, torque / speed, wear * torque]
    return np.concatenate([X, np.stack(more, axis=1)], axis=1)


def _ways(tables: dict[str, NDArray[np.float64]]) -> list[Candidate]:
    ways = {
        "boosted trees": models.boosting(),
        "slow boosted trees": models.boosting(learning_rate=0.05, max_leaf_nodes=8, max_iter=300),
        "balanced boosted trees": models.boosting(class_weight="balanced"),
        "random forest": models.forest(max_features=None),
        "balanced random forest": models.forest(class_weight="balanced_subsample", min_samples_leaf=3),
        "SVM": models.support_vectors(10.0),
    }
    return [Candidate(f"{of}, {name}", table, way) for of, table in tables.items() for name, way in ways.items()]
